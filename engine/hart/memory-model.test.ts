import { describe, expect, it } from 'vitest';
import { Assembler } from '../../test/support/assembler';
import { BareHart, FINISH } from '../../test/support/bare-hart';
import { compileHelpers } from '../../test/support/helpers-module';
import { bType, iType, rType, sType, uType } from '../../test/support/riscv-encoding';
import { ARM_LSE, WEAKEST, X86, type HostMemory } from '../host/host-memory';
import { HARTS_BASE, MACHINE_FLUSH_COMING } from '../memory/layout';
import { Emitter, I32_TYPE } from '../wasm/emitter';
import { ModuleBuilder } from '../wasm/module-builder';
import { handlers } from './handlers';
import { STAT_PAGES_DECODED } from './hart-layout';
import { buildInterpreter } from './interpreter';
import { instructions, lookUp } from './isa';
import type { Context } from './isa/instruction';
import { emitModule } from './jit/compiler';

const SEQUENTIAL: HostMemory = { reorders: 'nothing', atomicsComeFirst: true };
const HOSTS = { SEQUENTIAL, X86, ARM_LSE, WEAKEST };

/** How often `pattern` is in the code. */
function count(code: Uint8Array, pattern: readonly number[]): number {
  let found = 0;
  for (let at = 0; at < code.length; at++) if (pattern.every((byte, i) => code[at + i] === byte)) found++;
  return found;
}
/** atomic.fence, and i32.atomic.rmw.add of a constant 0 that is dropped: a fence on x86. */
const FENCE = [0xfe, 0x03, 0x00];
const LOCKED = [0x41, 0x00, 0xfe, 0x1e, 0x02, 0x00, 0x1a];

/** A region of one instruction, translated for a host. */
function translated(word: number, host: HostMemory): Uint8Array<ArrayBuffer> {
  const instruction = instructions[lookUp(word)];
  const block = {
    offset: 0,
    pages: 1,
    body: [{ instruction, word, length: 4 as const, offset: 0 }],
    next: { leave: 4 },
    taken: { leave: 4 },
  };
  return emitModule([{ entry: 0, blocks: [block], instructions: 1, pages: [{ distance: 0, version: -1 }] }], host);
}

const fence = (before: number, after: number, mode = 0): number =>
  iType(0x0f, 0, 0, 0, (((mode << 8) | (before << 4) | after) << 20) >> 20);
const amo = (funct5: number, aqrl: number, rs2 = 6): number => rType(0x2f, 2, (funct5 << 2) | aqrl, 7, 5, rs2);
const [W, R, RW, IORW] = [1, 2, 3, 15];

/** Words, and whether a translation of them has a fence on SEQUENTIAL, X86, ARM_LSE, WEAKEST. */
const WORDS: [string, number, [boolean, boolean, boolean, boolean]][] = [
  ['fence rw,rw', fence(RW, RW), [false, true, true, true]],
  ['fence iorw,iorw', fence(IORW, IORW), [false, true, true, true]],
  ['fence w,r', fence(W, R), [false, true, true, true]],
  ['fence w,i', fence(W, 8), [false, true, true, true]],
  ['fence r,rw', fence(R, RW), [false, false, true, true]],
  ['fence rw,w', fence(RW, W), [false, false, true, true]],
  ['fence w,w', fence(W, W), [false, false, true, true]],
  ['fence w,o', fence(W, 4), [false, false, true, true]],
  ['fence i,r', fence(8, R), [false, false, true, true]],
  ['fence.tso', fence(RW, RW, 8), [false, false, true, true]],
  ['pause', fence(W, 0), [false, false, false, false]],
  ['amoadd.w', amo(0, 0), [false, false, false, true]],
  ['amoadd.w.aqrl', amo(0, 3), [false, false, false, true]],
  ['amomax.w', amo(20, 0), [false, false, false, true]],
  ['sc.w', amo(3, 0), [false, false, false, true]],
  ['lr.w', amo(2, 0, 0), [false, false, false, false]],
  ['lr.w.aq', amo(2, 2, 0), [false, false, false, false]],
  ['lr.w.aqrl', amo(2, 3, 0), [false, true, true, true]],
  ['xor of one register', rType(0x33, 4, 0, 7, 5, 5), [false, false, true, true]],
  ['xor of two', rType(0x33, 4, 0, 7, 5, 6), [false, false, false, false]],
  ['andi with 0', iType(0x13, 7, 7, 5, 0), [false, false, true, true]],
  ['a branch to what follows', bType(1, 5, 0, 4), [false, false, true, true]],
  ['a branch elsewhere', bType(1, 5, 0, 8), [false, false, false, false]],
  ['lw', iType(0x03, 2, 7, 5, 0), [false, false, false, false]],
];

describe('fences in translated code', () => {
  it.each(WORDS)('%s', (_name, word, expected) => {
    const fences = Object.values(HOSTS).map((host) => {
      const code = translated(word, host);
      expect(WebAssembly.validate(code)).toBe(true);
      const [full, locked] = [count(code, FENCE), count(code, LOCKED)];
      // Never the dear one on x86, and no other elsewhere.
      expect(host === X86 ? full : locked).toBe(0);
      return full + locked > 0;
    });
    expect(fences).toEqual(expected);
  });
});

describe('fences in the interpreter', () => {
  it.each(Object.entries(HOSTS))('are where the host %s needs them', (_name, host) => {
    const named = (...names: string[]): number => handlers.filter(({ instruction }) => names.includes(instruction.name)).length;
    const written = handlers.filter(({ instruction: { extension, format } }) => extension === 'a' && format === 'amo').length;
    const ordering = host === SEQUENTIAL ? 0 : named('fence', 'lr.w', 'lr.d', 'sfence.vma', 'sinval.vma');
    const weak = host.reorders === 'anything' ? named('fence.i') : 0;
    const code = buildInterpreter(HARTS_BASE, 1024, 1024, host);
    expect(count(code, host === X86 ? LOCKED : FENCE)).toBe(ordering + weak + (host === WEAKEST ? written : 0));
    expect(count(code, host === X86 ? FENCE : LOCKED)).toBe(0);
  });

  /** Whether the interpreter's fence, given its immediate at run time, is one. */
  function interpreted(host: HostMemory): (immediate: number) => number {
    const e = new Emitter([I32_TYPE]);
    const context = { e, host, imm32: () => e.get(e.parameter(0)), fence: () => e.return(e.i32.const(1)) };
    instructions[lookUp(fence(RW, RW))].emit(context as unknown as Context);
    e.i32.const(0);
    const module = new ModuleBuilder();
    module.addFunction({ parameters: [I32_TYPE], results: [I32_TYPE] }, e, 'f');
    return new WebAssembly.Instance(new WebAssembly.Module(module.build())).exports.f as (immediate: number) => number;
  }

  it.each(Object.entries(HOSTS))('obey every immediate on the host %s as translated ones do', (_name, host) => {
    const run = interpreted(host);
    for (let immediate = -2048; immediate < 2048; immediate++) {
      let known = 0;
      const context = { host, knownImmediate: immediate, fence: () => (known = 1) };
      instructions[lookUp(fence(RW, RW))].emit(context as unknown as Context);
      expect(run(immediate), `immediate ${immediate & 0xfff}`).toBe(known);
    }
  });
});

describe('fence.i', () => {
  it('does not trust a page while another hart may be about to ask for its writers to be noticed', async () => {
    const helpers = await compileHelpers();
    const code = new Assembler();
    code.word(uType(0x37, 29, FINISH >>> 12));
    for (let i = 0; i < 5; i++) code.word(0x100f);
    code.word(sType(0x23, 2, 29, 0, 0));
    const decoded = (coming: number): number => {
      const bare = new BareHart(helpers, { harts: 2 });
      bare.memory.words[MACHINE_FLUSH_COMING >>> 2] = coming;
      bare.run(code.bytes());
      return bare.statistic(STAT_PAGES_DECODED);
    };
    expect(decoded(0)).toBe(1);
    expect(decoded(1)).toBe(6);
  });
});
