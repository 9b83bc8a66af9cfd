import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OptionalExtension } from '../../engine/hart/isa/extensions';

const MEBIBYTE = 2 ** 20;

/** A QEMU, and what our hart is to do without to be like it. */
interface Oracle {
  command: readonly string[];
  cpu: string;
  off: readonly OptionalExtension[];
}

/** What the oracle has and lacks beside RV64GC, to be the machine that the generator writes for. */
const CPU = 'rv64,zba=on,zbb=on,zbs=on,zbc=on,svinval=on,h=off,v=off';
/**
 * Versions before 10 lack instructions, and where they have Svnapot or Svpbmt they overlook the reserved bits of page-table entries
 * (privileged ISA §12.4.1), which they look at without.
 */
const OLDER_CPU = `${CPU},svnapot=off,svpbmt=off`;
const NEWER_CPU = `${CPU},svnapot=on,svpbmt=on,zicbom=on,zicboz=on,zicond=on,zawrs=on,zfa=off`;
const NEWER: readonly OptionalExtension[] = ['svnapot', 'svpbmt', 'zicbom', 'zicboz', 'zicond', 'zawrs'];

let known: Oracle | undefined;
/** qemu-system-riscv64, or what CONFORMANCE_QEMU says: a command with arguments between spaces. */
export function oracle(): Oracle {
  if (known) return known;
  const command = (process.env.CONFORMANCE_QEMU ?? 'qemu-system-riscv64').split(' ');
  const { stdout } = spawnSync(command[0], [...command.slice(1), '--version'], { encoding: 'utf8' });
  const isNewer = Number(/version (\d+)/.exec(stdout)?.[1]) >= 10;
  known = { command, cpu: isNewer ? NEWER_CPU : OLDER_CPU, off: isNewer ? [] : NEWER };
  return known;
}

/**
 * Runs an image from the start of RAM in M-mode on qemu-system-riscv64's virt board until it ends through the test finisher;
 * returns what is then in RAM, as much as the image is long. RAM is a file that both share. `aia`: virt's option of that name.
 */
export function runInQemu(image: Uint8Array, aia = 'none'): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), 'hartbox-conformance-'));
  try {
    const file = join(directory, 'ram');
    // QEMU puts its device tree near the end of RAM.
    const megabytes = Math.ceil(image.length / MEBIBYTE) + 8;
    const handle = openSync(file, 'w');
    writeSync(handle, image);
    closeSync(handle);
    truncateSync(file, megabytes * MEBIBYTE);
    const size = `${megabytes}M`;
    const options = `-M virt,aia=${aia},memory-backend=ram -cpu ${oracle().cpu} -smp 2 -m ${size} -bios none -display none -serial none -monitor none`;
    const [program, ...before] = oracle().command;
    const run = spawnSync(
      program,
      [...before, ...options.split(' '), '-object', `memory-backend-file,id=ram,size=${size},mem-path=${file},share=on`],
      { encoding: 'utf8', timeout: 60_000 },
    );
    if (run.status !== 0) throw new Error(`qemu-system-riscv64 did not finish: ${run.stderr || (run.signal ?? run.status)}`);
    return readFileSync(file).subarray(0, image.length);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
