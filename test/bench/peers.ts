import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { DefaultGuest } from '../../engine/images/default-guest';
import { ConsoleSession } from './console-session';

/** The two that are compared; QEMU is the measure. */
export const PEERS = ['qemu', 'hartbox'] as const;
export type Peer = (typeof PEERS)[number];

const CLI = fileURLToPath(new URL('../../out/main/cli.js', import.meta.url));
const MEMORY_MIB = 512;

/** Start the same guest on either, its console on the process's standard streams. One hart, and the same devices. */
export function startPeer(peer: Peer, guest: DefaultGuest): ConsoleSession {
  const [command, args] = peer === 'qemu' ? qemu(guest) : hartbox(guest);
  return new ConsoleSession(peer, spawn(command, args));
}

function hartbox(guest: DefaultGuest): [string, string[]] {
  const { kernel, initrd, firmware, append } = guest;
  const files = ['--kernel', kernel, '--initrd', initrd, '--firmware', firmware, `--append=${append}`];
  return [process.execPath, [CLI, 'run', ...files, '--memory', `${MEMORY_MIB}M`]];
}

function qemu(guest: DefaultGuest): [string, string[]] {
  const machine = ['-machine', 'virt', '-m', `${MEMORY_MIB}`, '-smp', '1', '-display', 'none', '-monitor', 'none', '-serial', 'null'];
  const files = ['-kernel', guest.kernel, '-initrd', guest.initrd, '-bios', guest.firmware, '-append', guest.append];
  const virtio = ['-global', 'virtio-mmio.force-legacy=false', '-device', 'virtio-rng-device', '-device', 'virtio-serial-device'];
  const console = ['-chardev', 'stdio,id=console,signal=off', '-device', 'virtconsole,chardev=console'];
  return ['qemu-system-riscv64', [...machine, ...files, ...virtio, ...console]];
}
