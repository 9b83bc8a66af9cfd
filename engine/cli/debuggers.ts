import { spawnSync } from 'node:child_process';
import { asVmError } from '../errors/system-error';
import { VmError } from '../errors/vm-error';

/** The debuggers that know RISC-V, the likeliest first. Plain `gdb` does in some systems only. */
const KNOWN = [
  'gdb-multiarch',
  'riscv64-unknown-elf-gdb',
  'riscv64-elf-gdb',
  'riscv-none-elf-gdb',
  'riscv64-unknown-linux-gnu-gdb',
  'riscv64-linux-gnu-gdb',
  'gdb',
  'lldb',
] as const;

/** A debugger of this computer. Throws VmError 'Resource' where there is none. */
export function findDebugger(): string {
  const found = KNOWN.find((name) => (name === 'gdb' ? knowsRiscV(name) : runs(name, ['--version'])));
  if (found !== undefined) return found;
  throw new VmError(
    'Resource',
    `No debugger for RISC-V was found. Install one and try again:
  Debian, Ubuntu  apt install gdb-multiarch
  Fedora          dnf install gdb
  Arch            pacman -S riscv64-elf-gdb
  macOS           brew install riscv64-elf-gdb, or LLDB with Xcode
  Windows         MSYS2: pacman -S mingw-w64-ucrt-x86_64-gdb-multiarch
It may have another name: give that with --with. Looked for: ${KNOWN.join(', ')}.`,
    { code: 'no-debugger' },
  );
}

function runs(program: string, args: string[]): boolean {
  const { status, error } = spawnSync(program, args, { stdio: 'ignore', windowsHide: true });
  complain(error);
  return status === 0;
}

/** Whatever keeps programs from being started: it is not that there is none. */
function complain(error: NodeJS.ErrnoException | undefined): void {
  if (error && !['ENOENT', 'EACCES', 'EPERM', 'ENOTDIR', 'ENOEXEC', 'UNKNOWN'].includes(error.code ?? '')) throw asVmError(error);
}

function knowsRiscV(gdb: string): boolean {
  const { status, stderr, error } = spawnSync(gdb, ['-nx', '-batch', '-ex', 'set architecture riscv:rv64'], {
    encoding: 'utf8',
    windowsHide: true,
  });
  complain(error);
  return status === 0 && !/undefined|ambiguous|error/i.test(stderr);
}

/** What to start a debugger with, so that it attaches at `address` and knows the symbols of `files`. */
export function debuggerArguments(program: string, address: string, files: readonly string[]): string[] {
  const [main, ...others] = files;
  if (/lldb[^/\\]*$/i.test(program)) {
    const connect = address.startsWith('/') ? `process connect unix-connect://${address}` : `gdb-remote ${address}`;
    const modules = others.flatMap((file) => ['-o', `target modules add ${quoted(file)}`]);
    return [...(main === undefined ? ['-o', 'target create --arch riscv64'] : [main]), ...modules, '-o', connect];
  }
  return [
    '-q',
    ...(main === undefined ? ['-ex', 'set architecture riscv:rv64'] : [main]),
    ...others.flatMap((file) => ['-ex', `add-symbol-file ${quoted(file)}`]),
    '-ex',
    `target remote ${address}`,
  ];
}

/** As both debuggers read a file's name in a command. */
function quoted(file: string): string {
  return /^[\w./:+-]+$/.test(file) ? file : `"${file.replace(/["\\]/g, '\\$&')}"`;
}
