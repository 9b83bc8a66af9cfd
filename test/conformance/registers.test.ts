import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hartbox } from '../support/hartbox-process';

const tools = ['qemu-system-riscv64', 'riscv64-linux-gnu-gcc'].every((tool) => spawnSync(tool, ['--version']).status === 0);
const LINK = `ENTRY(_start) SECTIONS { . = 0x80000000; .text : { *(.text.init) *(.text*) *(.rodata*) *(.srodata*) } .bss : { *(.data*) *(.sdata*) *(.bss*) *(.sbss*) } }`;
const START = `.section .text.init
.globl _start
_start: lla sp, stack+8192
 call main
.bss
.balign 16
stack: .space 8192
`;
const GCC = ['-nostdlib', '-static', '-ffreestanding', '-fno-pic', '-mcmodel=medany', '-O1', '-Wl,--build-id=none'];

/** A row of docs/differences-from-qemu.md. */
interface Difference {
  kinds: string;
  first: number;
  last: number;
  sizes: string[];
}

function documented(): Difference[] {
  const text = readFileSync(join(import.meta.dirname, '../../docs/differences-from-qemu.md'), 'utf8');
  const row = /^\| `([rwb]+)` \| `([\da-f]{8})` \| `([\da-f]{8})` \| `([\d ]+)` \|/gm;
  return [...text.matchAll(row)].map(([, kinds, first, last, sizes]) => ({
    kinds,
    first: Number.parseInt(first, 16),
    last: Number.parseInt(last, 16),
    sizes: sizes.split(' '),
  }));
}

const covers = ({ kinds, first, last, sizes }: Difference, line: string): boolean => {
  const [kind, place, size] = line.split(' ');
  const address = Number.parseInt(place, 16);
  return kinds.includes(kind) && address >= first && address <= last && sizes.includes(size);
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-registers-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the registers of the board', () => {
  it.skipIf(!tools)('are those of QEMU, but for what is documented', async () => {
    const at = (name: string): string => join(folder, name);
    writeFileSync(at('link.ld'), LINK);
    writeFileSync(at('start.S'), START);
    writeFileSync(at('disk'), '');
    truncateSync(at('disk'), 1 << 20);
    const program = at('registers.elf');
    const sources = [at('start.S'), join(import.meta.dirname, 'registers.c')];
    execFileSync('riscv64-linux-gnu-gcc', [...GCC, '-T', at('link.ld'), ...sources, '-o', program], { stdio: 'pipe' });
    const device = ['-drive', `if=none,id=a,format=raw,file=${at('disk')}`, '-device', 'virtio-blk-device,drive=a,bus=virtio-mmio-bus.0'];
    const options = ['-machine', 'virt', '-bios', 'none', '-kernel', program, '-m', '512M'];
    // To a file: QEMU drops what a pipe does not take at once.
    const output = ['-display', 'none', '-monitor', 'none', '-serial', `file:${at('qemu.txt')}`];
    const modern = ['-global', 'virtio-mmio.force-legacy=false'];
    execFileSync('qemu-system-riscv64', [...options, ...output, ...modern, ...device], { timeout: 120_000 });
    const run = ['run', '--firmware', 'none', '--kernel', program, '-m', '512M', '--drive', `file=${at('disk')},format=raw`];
    const { code, stdout } = await hartbox(run);
    expect(code).toBe(0);
    const [theirs, ours] = [readFileSync(at('qemu.txt'), 'utf8'), stdout.toString()].map((text) => text.replaceAll('\r', '').split('\n'));
    expect(theirs.length).toBeGreaterThan(6000);
    expect(ours).toHaveLength(theirs.length);
    const known = documented();
    const differences = theirs.flatMap((line, index) => (line === ours[index] ? [] : [[line, ours[index]]]));
    expect(differences.filter(([line]) => !known.some((one) => covers(one, line)))).toEqual([]);
    // Nothing is documented that is not so.
    expect(known.filter((one) => !differences.some(([line]) => covers(one, line)))).toEqual([]);
  });
});
