import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../../../test/support/random';
import { missingTools } from '../../../test/support/riscv-tools';
import { csrName } from '../csr-names';
import { disassemble } from './disassemble';
import { instructions, lookUp } from './index';

// The GNU disassembler as oracle, on words of its assembler's, so that it knows which extensions are meant.
const [AS, OBJDUMP] = ['riscv64-linux-gnu-as', 'riscv64-linux-gnu-objdump'];
const missing = missingTools(AS, OBJDUMP);
const folder = mkdtempSync(join(tmpdir(), 'hartbox-disassemble-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** As objdump has them; where it does not know one, undefined. By address. */
function objdump(words: readonly number[]): Map<number, string> {
  const source = join(folder, 'words.s');
  const object = join(folder, 'words.o');
  writeFileSync(source, words.map((word) => `.insn ${(word & 3) === 3 ? 4 : 2}, 0x${(word >>> 0).toString(16)}\n`).join(''));
  run(AS, '-march=rv64gc_zba_zbb_zbc_zbs_zicbom_zicboz_zawrs_svinval', source, '-o', object);
  const texts = new Map<number, string>();
  for (const [, address, text] of run(OBJDUMP, '-d', '-M', 'no-aliases', object).matchAll(/^ *([0-9a-f]+):\t[0-9a-f ]+\t(.*)$/gm))
    texts.set(Number.parseInt(address, 16), text);
  return texts;
}

function run(tool: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(tool, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${tool}: ${stderr}`);
  return stdout;
}

/** What objdump writes for compressed instructions, and the instruction that it stands for. */
const EXPANSIONS: readonly [RegExp, string][] = [
  [/^c\.nop$/, 'addi zero,zero,0'],
  [/^c\.nop (.*)$/, 'addi zero,zero,$1'],
  [/^c\.(addi4spn|addi16sp) (\w+),(?:sp,)?(.*)$/, 'addi $2,sp,$3'],
  [/^c\.li (\w+),(.*)$/, 'addi $1,zero,$2'],
  [/^c\.(addiw?|s[lr][la]i|andi) (\w+),(.*)$/, '$1 $2,$2,$3'],
  [/^c\.(sub|xor|or|and|subw|addw|add) (\w+),(\w+)$/, '$1 $2,$2,$3'],
  [/^c\.mv (\w+),(\w+)$/, 'add $1,zero,$2'],
  [/^c\.j (.*)$/, 'jal zero,$1'],
  [/^c\.jr (\w+)$/, 'jalr zero,0($1)'],
  [/^c\.jalr (\w+)$/, 'jalr ra,0($1)'],
  [/^c\.b(eq|ne)z (\w+),(.*)$/, 'b$1 $2,zero,$3'],
  [/^c\.(f?[ls][wd])(sp)? (.*)$/, '$1 $3'],
  [/^c\.(lui|ebreak)(.*)$/, '$1$2'],
  // Shifts by nothing are hints with a width of their own.
  [/^c\.(s[lr][la]i)64 (\w+)$/, '$1 $2,$2,0x0'],
];

const ROUNDING = /,(rne|rtz|rdn|rup|rmm|dyn|unknown)$/;

/** In our way of writing: what differs is spelling. */
function normal(text: string): string {
  let plain = text
    .replace(/ *#.*/, '')
    .replace(/ *<.*>$/, '')
    .replace(/\t/g, ' ')
    .trim();
  const expansion = EXPANSIONS.find(([pattern]) => pattern.test(plain));
  if (expansion) plain = plain.replace(...expansion);
  if (/^(b(eq|ne|lt|ge)u?|jal) /.test(plain)) plain = plain.replace(/,([0-9a-f]+)$/, ',0x$1');
  if (plain.startsWith('fence ')) plain = plain.replaceAll('unknown', '0');
  return plain.replace(/^(cbo\.\w+) 0\(/, '$1 (').replace(ROUNDING, '');
}

/** Those that the two have otherwise. */
function differences(words: readonly number[]): { seen: number; different: string[] } {
  const theirs = objdump(words);
  const different: string[] = [];
  let seen = 0;
  let at = 0;
  for (const word of words) {
    const text = theirs.get(at) ?? '';
    const ours = disassemble(word, BigInt(at)).replace(ROUNDING, '');
    at += (word & 3) === 3 ? 4 : 2;
    if (/^(\.insn|\.[0-9]byte|0x|c\.unimp)/.test(text)) continue;
    seen++;
    // It has the names of CSRs that harts here do not have.
    const csr = lookUp(word >>> 0);
    const isUnnamed = csr >= 0 && instructions[csr].extension === 'zicsr' && csrName(word >>> 20).startsWith('csr');
    if (normal(text) !== ours && !isUnnamed) different.push(`${(word >>> 0).toString(16)}: ${ours} | ${text}`);
  }
  return { seen, different };
}

describe.skipIf(missing)('the disassembler', () => {
  it('writes each instruction, whatever its operands, as the GNU disassembler does', () => {
    const random = new Random(11);
    const words = instructions.flatMap(({ match, mask }) => Array.from({ length: 40 }, () => (match | (random.u32() & ~mask)) >>> 0));
    const { seen, different } = differences(words);
    expect(different).toEqual([]);
    expect(seen).toBeGreaterThan(words.length * 0.9);
  });

  it('writes each compressed instruction as what it stands for', () => {
    // A prime step comes to all kinds.
    const halves = Array.from({ length: 65536 / 7 }, (_, i) => 7 * i).filter((half) => (half & 3) !== 3);
    const { seen, different } = differences(halves);
    expect(different).toEqual([]);
    expect(seen).toBeGreaterThan(6_000);
  });
});
