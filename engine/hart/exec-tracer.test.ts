import { beforeAll, describe, expect, it } from 'vitest';
import { Assembler, Label } from '../../test/support/assembler';
import { BareHart, FINISH, RAM } from '../../test/support/bare-hart';
import { compileHelpers } from '../../test/support/helpers-module';
import { bType, iType, jType, sType, uType } from '../../test/support/riscv-encoding';
import type { ExecTrace } from './exec-tracer';

let helpers: WebAssembly.Module;
beforeAll(async () => {
  helpers = await compileHelpers();
});

const addi = (rd: number, rs1: number, immediate: number): number => iType(0x13, 0, rd, rs1, immediate);
/** On a page of its own: others run at full speed. */
const HANDLER = RAM + 0x2000;
const DOUBLE = RAM + 0x1000 - 2;

/**
 * 4096 times `rounds`: a call of a function of two instructions, the second of which lies in two pages; then an illegal instruction, whose handler ends
 * the run.
 */
function program(rounds: number): Uint8Array {
  const code = new Assembler();
  const [loop, callee, handler] = [new Label(), new Label(), new Label()];
  code.word(uType(0x17, 6, (HANDLER - RAM) >>> 12));
  code.word(iType(0x73, 1, 0, 6, 0x305));
  // mstatus.FS = Initial
  code.word(uType(0x37, 7, 2));
  code.word(iType(0x73, 2, 0, 7, 0x300));
  code.word(uType(0x37, 5, rounds));
  code.place(loop);
  code.reference(4, callee, (distance) => jType(1, distance));
  code.word(addi(5, 5, -1));
  code.reference(4, loop, (distance) => bType(1, 5, 0, distance));
  code.word(0);
  while (code.offset < DOUBLE - RAM - 2) code.half(1);
  code.place(callee);
  code.half(0x0489); // c.addi x9, 2
  code.word(iType(0x53, 0, 10, 9, 0) | (0x69 << 25) | (2 << 20)); // fcvt.d.l f10, x9
  code.word(iType(0x67, 0, 0, 1, 0));
  while (code.offset < HANDLER - RAM) code.half(1);
  code.place(handler);
  code.word(uType(0x37, 29, FINISH >>> 12));
  code.word(sType(0x23, 2, 29, 0, 0));
  code.reference(4, handler, (distance) => jType(0, distance));
  return code.bytes();
}

const functions = [
  { name: 'start', address: BigInt(RAM), size: 0x28n },
  { name: 'twice', address: BigInt(DOUBLE - 2), size: 10n },
];

function trace(rounds: number, execTrace: ExecTrace, jit = false): { lines: string[]; hart: BareHart } {
  const lines: string[] = [];
  const deliver = (text: string): void => void lines.push(...text.split('\n'));
  const hart = new BareHart(helpers, {
    jit,
    ...(jit && { tuning: { hot: 64, slice: 100 } }),
    environment: { execTrace: { ...execTrace, deliver } },
  });
  hart.run(program(rounds));
  return { lines, hart };
}

describe('a trace of execution', () => {
  it('says of each instruction what it is, where, and what it changed', () => {
    const { lines } = trace(1, { functions });
    expect(lines.slice(0, 11)).toEqual([
      'exec hart 0 M 0000000080000000 00002317 auipc t1,0x2               <start> t1=0000000080002000',
      'exec hart 0 M 0000000080000004 30531073 csrrw zero,mtvec,t1        <start+0x4>',
      'exec hart 0 M 0000000080000008 000023b7 lui t2,0x2                 <start+0x8> t2=0000000000002000',
      'exec hart 0 M 000000008000000c 3003a073 csrrs zero,mstatus,t2      <start+0xc>',
      'exec hart 0 M 0000000080000010 000012b7 lui t0,0x1                 <start+0x10> t0=0000000000001000',
      'exec hart 0 M 0000000080000014 7e9000ef jal ra,0x80000ffc          <start+0x14> ra=0000000080000018',
      'exec hart 0 M 0000000080000ffc     0489 addi s1,s1,2               <twice> s1=0000000000000002',
      'exec hart 0 M 0000000080000ffe d2248553 fcvt.d.l fa0,s1,rne        <twice+0x2> fa0=4000000000000000',
      'exec hart 0 M 0000000080001002 00008067 jalr zero,0(ra)            <twice+0x6>',
      'exec hart 0 M 0000000080000018 fff28293 addi t0,t0,-1              <start+0x18> t0=0000000000000fff',
      'exec hart 0 M 000000008000001c fe029ce3 bne t0,zero,0x80000014     <start+0x1c>',
    ]);
    expect(lines[5 + 6 * 4096]).toMatch(/ 0000000080000020 {5}0000 \.half 0x0000 +<start\+0x20>$/);
    expect(lines[6 + 6 * 4096]).toMatch(/ 0000000080002000 00100eb7 lui t4,0x100 +t4=0000000000100000$/);
  });

  it.each([false, true])('begins where it is told to, after code that ran at full speed (translated: %s)', (jit) => {
    const { lines, hart } = trace(4, { from: BigInt(HANDLER), functions }, jit);
    if (jit) expect(hart.translated).toBeGreaterThan(0);
    expect(lines[0]).toContain(' 0000000080002000 ');
    expect(lines[1]).toContain(' 0000000080002004 ');
    expect(hart.x(9)).toBe(32_768n);
  });
});
