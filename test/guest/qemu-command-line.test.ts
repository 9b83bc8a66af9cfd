import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readCommandLine } from '../../engine/cli/qemu/command-line';
import { QemuError } from '../../engine/cli/qemu/qemu-error';
import { translate } from '../../engine/cli/qemu/translate';
import { endWithUs } from '../../resources/setup/child-processes.mjs';
import { CLI, killHartboxes } from '../support/hartbox-process';
import { COMMAND_LINES, type CommandLine } from '../support/qemu-command-lines';

const SOURCES = fileURLToPath(new URL('../support/qemu-probe', import.meta.url));
/** How long one of both may take, in milliseconds: they end by themselves. */
const PATIENCE_MS = 60_000;
const MiB = 2 ** 20;

const has = (command: string): boolean => {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};
const missing = ['qemu-system-riscv64', 'riscv64-linux-gnu-gcc'].filter((command) => !has(command));
/** Each takes two starts: a third of those that end with a machine will do for every day, the same ones whatever rows are added. */
const lines = COMMAND_LINES.filter(
  ({ line, isLong, isRefused }) => process.env['HARTBOX_LONG'] || (!isLong && (isRefused || crc32(line) % 3 === 0)),
);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-qemu-'));
  if (missing.length > 0) return;
  build('M', 0x8000_0000, ['start.S', 'probe.c'], ['-DMACHINE']);
  build('S', 0x8020_0000, ['start.S', 'probe.c']);
  build('JUMP', 0x8000_0000, ['jump.S']);
  for (const [name, text] of [
    ['DISK1', 'disk one'],
    ['DISK2', 'disk two'],
    ['COMMA,', 'comma'],
  ]) {
    writeFileSync(join(folder, name), text);
    truncateSync(join(folder, name), MiB);
  }
  execFileSync('qemu-img', ['convert', '-O', 'qcow2', join(folder, 'DISK2'), join(folder, 'QCOW2')]);
  writeFileSync(join(folder, 'TEXT'), 'some text in a file\n');
});
afterEach(killHartboxes);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** As an ELF file and as a flat binary. */
function build(name: string, base: number, files: string[], flags: string[] = []): void {
  const [elf, sources] = [join(folder, name), files.map((file) => join(SOURCES, file))];
  const options = [
    '-nostdlib',
    '-static',
    '-ffreestanding',
    '-fno-pic',
    '-mcmodel=medany',
    '-march=rv64gc',
    '-O1',
    '-Wl,--no-warn-rwx-segments',
  ];
  execFileSync('riscv64-linux-gnu-gcc', [
    ...[...options, ...flags, '-Wl,--build-id=none', `-Wl,--defsym=BASE=${base}`, '-T', join(SOURCES, 'link.ld')],
    ...[...sources, '-o', elf],
  ]);
  execFileSync('riscv64-linux-gnu-objcopy', ['-O', 'binary', elf, `${elf}BIN`]);
}

/** QEMU brings it. */
const OPENSBI = '/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin';

interface Outcome {
  code: number | null;
  output: string;
  files: string[];
  errors: string;
}

/** The words of a row with files of its own. */
function prepare(row: CommandLine, own: string): { words: string[]; path: (name: string) => string } {
  mkdirSync(own);
  // Whoever writes to an image has it for itself.
  for (const name of ['DISK1', 'DISK2', 'QCOW2']) if (row.line.includes(name)) copyFileSync(join(folder, name), join(own, name));
  const ofRun = ['OUT1', 'DISK1', 'DISK2', 'QCOW2'];
  const path = (name: string): string => {
    if (name === 'FOLDER') return own;
    if (name === 'FIRMWARE') return OPENSBI;
    if (name === 'COMMA') return join(folder, 'COMMA,,');
    return join(ofRun.includes(name) ? own : folder, name);
  };
  const words = [...row.line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) =>
    (quoted ?? plain).replace(/\$([A-Z]+\d?)/g, (_, name: string) => path(name)),
  );
  return { words, path };
}

async function run(program: string, before: readonly string[], row: CommandLine, own: string): Promise<Outcome> {
  const { words, path } = prepare(row, own);
  const child = endWithUs(spawn(program, [...before, ...words], { cwd: own, env: { ...process.env, DISPLAY: '', HARTBOX_DEBUG: '' } }));
  const [output, errors]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  child.stdin.on('error', () => undefined);
  child.stdin.end(row.input);
  const limit = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  clearTimeout(limit);
  return {
    code,
    output: seen(Buffer.concat(output).toString('latin1'), row.look),
    files: (row.files ?? []).map((name) => (existsSync(path(name)) ? readFileSync(path(name), 'latin1') : '(not there)')),
    errors: Buffer.concat(errors).toString(),
  };
}

/** What is wrong with the words alone shows without a process, which takes longer. */
function refusal(row: CommandLine, own: string): string | undefined {
  try {
    translate(readCommandLine(prepare(row, own).words));
    return undefined;
  } catch (error) {
    if (!(error instanceof QemuError)) throw error;
    return error.message;
  }
}

/** What counts of an output, without escape sequences and carriage returns. */
function seen(output: string, look: RegExp | undefined): string {
  const text = output.replace(/\x1b\[[\d;?]*[A-Za-z]|\r/g, '');
  if (!look) return text;
  const matches = text.match(look);
  return matches ? (look.global ? matches.join('\n') : matches[0]) : '(nothing of what was looked for)';
}

describe.skipIf(missing.length > 0)(`hartbox qemu${missing.length > 0 ? ` (there is no ${missing.join(' and no ')})` : ''}`, () => {
  it.concurrent.each(lines.map((row, at) => [row.line, row, at] as const))('%s', { timeout: 2 * PATIENCE_MS }, async (_line, row, at) => {
    const theirs = await run('qemu-system-riscv64', [], row, join(folder, `theirs-${at}`));
    if (row.isRefused) {
      expect(theirs.code, theirs.output).toBe(1);
      if (refusal(row, join(folder, `words-${at}`)) !== undefined) return;
    }
    const ours = await run(process.execPath, [CLI, 'qemu'], row, join(folder, `ours-${at}`));
    if (row.code !== undefined) expect(theirs.code, theirs.errors).toBe(row.code);
    const { errors, ...outcome } = ours;
    expect(outcome, errors).toEqual({ code: theirs.code, output: row.isRefused ? '' : theirs.output, files: theirs.files });
    if (row.isRefused) expect(errors).toMatch(/^hartbox-qemu: [^\n]+\n$/);
    else expect(errors).not.toMatch(/internal error|\n\s+at /);
  });
});
