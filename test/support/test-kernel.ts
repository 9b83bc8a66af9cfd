import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const SOURCES = join(import.meta.dirname, 'kernel');
const CACHE = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'hartbox', 'test-kernel');
const COMPILER = 'riscv64-linux-gnu-gcc';
const FLAGS =
  '-O1 -g -mcmodel=medany -mno-relax -ffreestanding -fno-builtin -fno-omit-frame-pointer -fno-stack-protector -fno-pic -fno-pie -no-pie -nostdlib -static -Wl,--no-relax,--build-id=none';

/** Programs of the disk; the kernel starts `init`, which starts `sh`. */
export const PROGRAMS = ['init', 'sh', 'echo', 'cat', 'ls', 'sum', 'harts', 'halt', 'spin', 'forktest', 'grind', 'usertests'] as const;

export interface TestKernel {
  /** ELF files with symbols and lines: that starts in M-mode without firmware, and that SBI firmware starts. */
  kernel: string;
  sbiKernel: string;
  /** Programs by name, as ELF files. */
  programs: Record<(typeof PROGRAMS)[number], string>;
}

/** Compile the kernel of test/support/kernel and its programs, once for each state of the sources. Needs riscv64-linux-gnu-gcc. */
export async function buildTestKernel(): Promise<TestKernel> {
  const names = ['.', 'user'].flatMap((folder) => readdirSync(join(SOURCES, folder)).map((name) => join(folder, name)));
  const sources = names.filter((name) => /\.(c|h|S|ld)$/.test(name)).sort();
  const hash = createHash('sha256').update(FLAGS);
  for (const name of sources) hash.update(name).update(readFileSync(join(SOURCES, name)));
  const folder = join(CACHE, hash.digest('hex').slice(0, 16));
  if (!existsSync(folder)) {
    await mkdir(CACHE, { recursive: true });
    const fresh = await mkdtemp(join(CACHE, 'new-'));
    await compile(sources, fresh);
    try {
      await rename(fresh, folder);
    } catch (error) {
      // Another process may have been faster.
      await rm(fresh, { recursive: true });
      if (!existsSync(folder)) throw error;
    }
  }
  const programs = Object.fromEntries(PROGRAMS.map((name) => [name, join(folder, name)])) as TestKernel['programs'];
  return { kernel: join(folder, 'kernel.elf'), sbiKernel: join(folder, 'kernel-sbi.elf'), programs };
}

async function compile(sources: string[], folder: string): Promise<void> {
  const gcc = (output: string, ...args: string[]): Promise<unknown> =>
    promisify(execFile)(COMPILER, [...FLAGS.split(' '), ...args, '-o', join(folder, output)], { cwd: SOURCES });
  const kernel = [
    '-march=rv64imac_zicsr_zifencei',
    '-mabi=lp64',
    '-T',
    'kernel.ld',
    ...sources.filter((name) => /^[^/\\]+\.[cS]$/.test(name)),
  ];
  await gcc('kernel.elf', ...kernel, '-Wl,--defsym=BASE=0x80000000');
  await gcc('kernel-sbi.elf', ...kernel, '-DSBI', '-Wl,--defsym=BASE=0x80200000');
  const user = ['-march=rv64gc', '-mabi=lp64d', '-T', 'user/user.ld', 'user/start.S', 'user/lib.c', 'text.c'];
  // `spin` where no other program has code, so that a breakpoint in it is met by nothing else.
  for (const name of PROGRAMS) await gcc(name, ...user, `user/${name}.c`, `-Wl,--defsym=BASE=${name === 'spin' ? '0x400000' : '0x10000'}`);
}

const BLOCK = 1024;
const MAGIC = 0x4c45454b;
const ENTRY = 32;
const NAME_LENGTH = 24;
const DIRECTORY_BLOCKS = 4;

/** A disk with the kernel's file system (store.c) and these files in it. */
export function testKernelImage(files: Record<string, Uint8Array>, blocks = 2048): Buffer {
  const image = Buffer.alloc(blocks * BLOCK);
  const tableBlocks = Math.ceil((blocks * 4) / BLOCK);
  const directory = 1 + tableBlocks;
  for (const [i, word] of [MAGIC, blocks, 1, tableBlocks, directory, DIRECTORY_BLOCKS].entries()) image.writeUInt32LE(word, 4 * i);
  let free = directory + DIRECTORY_BLOCKS;
  const setNext = (block: number, next: number): number => image.writeUInt32LE(next, BLOCK + 4 * block);
  for (let block = 0; block < free; block++) setNext(block, 1);
  for (const [i, [name, content]] of Object.entries(files).entries()) {
    if (name.length >= NAME_LENGTH || i >= (DIRECTORY_BLOCKS * BLOCK) / ENTRY) throw new Error(`no place for the file ${name}`);
    const count = Math.ceil(content.length / BLOCK);
    if (free + count > blocks) throw new Error(`the disk is too small for ${name}`);
    const entry = directory * BLOCK + i * ENTRY;
    image.write(name, entry);
    image.writeUInt32LE(count > 0 ? free : 0, entry + NAME_LENGTH);
    image.writeUInt32LE(content.length, entry + NAME_LENGTH + 4);
    image.set(content, free * BLOCK);
    for (let block = 0; block < count; block++) setNext(free + block, block === count - 1 ? 1 : free + block + 1);
    free += count;
  }
  return image;
}

/** A text on the disk for `cat` and `sum`. */
export const README_FILE = Array.from({ length: 100 }, (_, i) => `This is line ${i} of a text that lies on the disk.\n`).join('');

/** Write a disk with the programs, `readme` and further files. */
export async function writeTestDisk({ programs }: TestKernel, path: string, files: Record<string, Uint8Array> = {}): Promise<void> {
  const contents = Object.fromEntries(Object.entries(programs).map(([name, file]) => [name, readFileSync(file)]));
  await writeFile(path, testKernelImage({ ...contents, readme: Buffer.from(README_FILE), ...files }));
}

/** The checksum that the program `sum` prints. */
export function fnv1a(data: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (const byte of data) sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
  return sum;
}
