import { execFile, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const GDB = 'gdb-multiarch';

/** Compile gdb-program.c, with what a debugger needs of it, to the file `binary`. */
export async function compileGdbProgram(binary: string): Promise<void> {
  const [source, script] = ['./gdb-program.c', './gdb-program.ld'].map((name) => fileURLToPath(new URL(name, import.meta.url)));
  const place = ['-nostdlib', '-static', '-no-pie', '-ffreestanding', '-mcmodel=medany', `-Wl,-T,${script}`, '-Wl,--build-id=none'];
  await promisify(execFile)('riscv64-linux-gnu-gcc', ['-g', '-O1', '-march=rv64gc', '-mabi=lp64d', ...place, '-o', binary, source]);
}

/** Let GDB do some commands on a target, and return what each printed, standard error included. A command that fails does not end it. */
export async function gdb(address: string, elf: string | undefined, commands: readonly string[], limitMs = 60_000): Promise<string[]> {
  const marker = (i: number): string => `@@${i}@@`;
  const script = commands.flatMap((command, i) => ['-ex', command, '-ex', `echo \\n${marker(i)}\\n`]);
  const setUp = ['set pagination off', 'set confirm off', 'set width 0', 'set debuginfod enabled off', 'set tcp connect-timeout 10'];
  const args = ['-nx', '-q', '-batch', ...setUp.flatMap((command) => ['-ex', command]), ...(elf === undefined ? [] : [elf])];
  // What `monitor` prints goes to standard error: only in one pipe do both keep their order.
  const command = [GDB, ...args, '-ex', `target remote ${address}`, '-ex', 'echo \\n@@start@@\\n', ...script];
  const child = spawn('sh', ['-c', 'exec "$@" 2>&1', 'sh', ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
  let output = '';
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
  });
  await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  const [, rest] = output.split('@@start@@\n', 2);
  if (rest === undefined) throw new Error(`GDB did not get as far as the target: ${output}`);
  const printed: string[] = [];
  let at = 0;
  for (const i of commands.keys()) {
    const end = rest.indexOf(marker(i), at);
    if (end < 0) throw new Error(`GDB did not get through "${commands[i]}": ${rest.slice(at)}`);
    printed.push(rest.slice(at, end).trim());
    at = end + marker(i).length;
  }
  return printed;
}
