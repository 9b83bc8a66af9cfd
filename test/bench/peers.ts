import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BootMachine, bootArguments, type LinuxMachine, qemuArguments } from '../support/qemu-machine';
import { ConsoleSession } from './console-session';

/** What runs the same machines: QEMU, which is the measure, and Hartbox on one Node or several. */
export interface Peer {
  /** Heads its column. */
  name: string;
  /** By which it shares folders. */
  protocols: readonly ('9p' | 'virtio-fs')[];
  /** Start a machine, its console on the process's standard streams. One hart, and the same devices. */
  start(machine: LinuxMachine): ConsoleSession;
  /** The same for one whose console is the first UART. */
  boot(machine: BootMachine): ConsoleSession;
}

const CLI = fileURLToPath(new URL('../../out/main/cli.js', import.meta.url));
const MEMORY_MIB = 512;

export const qemu: Peer = {
  name: 'QEMU',
  protocols: ['9p'],
  start: (machine) => new ConsoleSession('QEMU', spawn('qemu-system-riscv64', qemuArguments(machine, MEMORY_MIB))),
  boot: (machine) => new ConsoleSession('QEMU', spawn('qemu-system-riscv64', bootArguments(machine, MEMORY_MIB))),
};

interface HartboxOptions {
  /** Another Node than the one that runs this. */
  node?: string;
  /** A checkout that is built, in place of this one. */
  build?: string;
  /** In place of the engine's own flags for V8 (HARTBOX_V8_FLAGS). */
  v8Flags?: string;
  /** More options of `hartbox run`. */
  options?: string[];
}

/** Hartbox, of this build on this Node unless told otherwise. Throws if what it is told is none. */
export function hartbox({ node, build, v8Flags, options = [] }: HartboxOptions = {}): Peer {
  const cli = build === undefined ? CLI : join(build, 'out', 'main', 'cli.js');
  if (!existsSync(cli)) throw new Error(`--build expects a folder with Hartbox in it, built, and ${cli} is missing`);
  const name = [
    build === undefined ? 'Hartbox' : basename(resolve(build)),
    ...(node === undefined ? [] : [`on Node ${versionOf(node)}`]),
    ...(v8Flags === undefined ? [] : [`with ${v8Flags || 'no flags'}`]),
  ].join(' ');
  const env = v8Flags === undefined ? process.env : { ...process.env, HARTBOX_V8_FLAGS: v8Flags };
  // A comma within a file's name is written twice.
  const drive = (file: string, format: string): string[] => ['--drive', `file=${file.replaceAll(',', ',,')},format=${format}`];
  const args = ({ kernel, initrd, firmware, append, disk, data = [], network, shares = [], screen }: LinuxMachine): string[] => [
    ...[
      'run',
      '--network',
      network ? 'nat,host-access,subnet=10.0.2.0/24' : 'none',
      ...options,
      '--kernel',
      kernel,
      '--initrd',
      initrd,
      '--firmware',
      firmware,
    ],
    ...[`--append=${append}`, '--memory', `${MEMORY_MIB}M`],
    ...(disk === undefined ? [] : drive(disk, 'raw')),
    ...data.flatMap(({ file, format }) => drive(file, format)),
    ...(screen
      ? ['--screens', '1', '--screen-size', `${screen.width}x${screen.height}`, `--vnc=unix:${screen.vnc}`, '--vnc-password', 'none']
      : []),
    ...shares.flatMap(({ folder, tag, protocol }) => [
      '--share',
      `${folder.replaceAll(',', ',,')},tag=${tag},protocol=${protocol},bus=pci`,
    ]),
  ];
  const bootArgs = ({ next, disk, format, interface: kind, bus, aia, opensbi }: BootMachine): string[] => [
    ...['run', '--network', 'none', '--memory', `${MEMORY_MIB}M`, '--bus', bus, '--aia', aia],
    ...('kernel' in next
      ? ['--kernel', next.kernel, '--initrd', next.initrd, '--append', next.append, '--firmware', opensbi]
      : 'uboot' in next
        ? ['--firmware', 'uboot']
        : ['--firmware', 'edk2', '--flash-vars', `${disk}.vars`]),
    ...['--drive', `file=${disk.replaceAll(',', ',,')},format=${format},if=${kind}`],
  ];
  const session = (all: string[]) => new ConsoleSession(name, spawn(node ?? process.execPath, [cli, ...all], { env }));
  return {
    name,
    protocols: ['9p', 'virtio-fs'],
    start: (machine) => session(args(machine)),
    boot: (machine) => session(bootArgs(machine)),
  };
}

function versionOf(node: string): string {
  try {
    return execFileSync(node, ['--print', 'process.versions.node'], { encoding: 'utf8' }).trim();
  } catch (cause) {
    throw new Error(`--node expects the path of a Node executable, and '${node}' is none`, { cause });
  }
}
