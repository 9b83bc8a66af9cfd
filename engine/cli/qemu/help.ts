import { HARTBOX_VERSION } from '../../host/version';
import { CPU_MODELS } from './cpu';
import { deviceModels } from './devices';
import { networkKinds } from './networks';
import { QEMU_OPTIONS } from './option-table';
import type { QemuOption } from './qemu-option';
import { LOG_ITEMS } from './translate';
import type { Shown } from './wanted';

const WIDTH = 100;

/** What is printed in place of a machine. */
export function textOf(what: Shown): string {
  switch (what) {
    case 'version':
      return `Hartbox ${HARTBOX_VERSION}, with the command line of qemu-system-riscv64 (QEMU emulator version 7.2.0 and later)\n`;
    case 'machines':
      return 'Supported machines are:\nvirt                 RISC-V VirtIO board\n';
    case 'cpus':
      return `Available CPUs:\n${CPU_MODELS.map(([name, does]) => `  ${name.padEnd(14)} ${does}\n`).join('')}`;
    case 'devices':
      return `Devices:\n${deviceModels()
        .map(([name, does]) => `  ${name.padEnd(38)} ${does}\n`)
        .join('')}`;
    case 'networks':
      return `Networks:\n${networkKinds()
        .map(([name, does]) => `  ${name.padEnd(10)} ${does}\n`)
        .join('')}`;
    case 'accelerators':
      return 'Accelerators supported:\ntcg\n';
    case 'lines':
      return 'Available chardev backend types:\n  stdio\n  file\n  pipe\n  socket\n  null\n';
    case 'log items':
      return `Log items (comma separated):\n${Object.entries(LOG_ITEMS)
        .map(([name, { does }]) => `${name.padEnd(15)} ${does}\n`)
        .join('')}`;
    case 'help':
      return qemuHelp();
  }
}

/** All options, and what each does here. */
function qemuHelp(): string {
  const section = (title: string, effect: QemuOption['effect']): string =>
    `${title}\n${QEMU_OPTIONS.filter((option) => option.effect === effect)
      .map(row)
      .join('')}`;
  return `Run a machine here by a command line of qemu-system-riscv64.

Usage: hartbox qemu [QEMU OPTIONS]
       hartbox-qemu [QEMU OPTIONS]        as in: make qemu QEMU=hartbox-qemu

The board is virt. What there is not is refused by name, with exit code 1; with -verbose you see what
makes no difference. Keys of the terminal: Ctrl-A x ends, Ctrl-A c is the monitor, Ctrl-A h helps.

${section('Options that do here what they do in QEMU:', 'served')}
${section('Accepted, without a difference:', 'ignored')}
${section('Refused:', 'refused')}`;
}

/** Makefiles look for options at the beginning of lines: xv6's asks for `^-gdb`. */
function row({ names, takes, does }: QemuOption): string {
  const left = `${names.join(', ')}${takes === undefined ? '' : ` ${takes}`}`;
  return `${left}\n${wrap(does, WIDTH - 8)
    .map((line) => `        ${line}\n`)
    .join('')}`;
}

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1];
    if (last !== '' && last.length + word.length >= width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}
