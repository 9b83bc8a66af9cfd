import type { AtomicOp, I32, I64, Local } from '../../wasm/emitter';
import { bits, extension, type Context } from './instruction';

/**
 * Atomic memory operations (unprivileged ISA §13). wasm's atomics are sequentially consistent among themselves, which gives what aq and rl
 * ask of accesses before; what follows may need a fence (memory-model.md).
 */
const { list, def } = extension('a');

const word = (funct5: number): number => bits(0x2f, 2, funct5 << 2);
const double = (funct5: number): number => bits(0x2f, 3, funct5 << 2);

const RELEASE = 1;

/** What lr.rl has before it comes first, be it a store: no load on any host sees to that. */
function release(c: Context): void {
  const { e, host } = c;
  if (host.reorders === 'nothing') return;
  const known = c.knownImmediate;
  if (known === undefined) e.if(e.i32.and(c.imm32(), e.i32.const(RELEASE)), () => c.fence());
  else if (known & RELEASE) c.fence();
}

/**
 * An AMO, or what an SC has stored, comes before accesses that follow: all of them with aq, else a load of what it wrote (RVWMO's rules 5
 * and 3).
 */
function performed(c: Context): void {
  if (!c.host.atomicsComeFirst) c.fence();
}

for (const [suffix, size, encode] of [
  ['w', 2, word],
  ['d', 3, double],
] as const) {
  def(`lr.${suffix}`, 'amo2', encode(2), (c) => {
    release(c);
    c.rd(c.callFaulting('load_reserved', c.rs1(), c.e.i32.const(size)));
  });
  def(`sc.${suffix}`, 'amo', encode(3), (c) => {
    c.rd(c.callFaulting('store_conditional', c.rs1(), c.rs2(), c.e.i32.const(size)));
    performed(c);
  });
}

const simple: [string, number, AtomicOp][] = [
  ['amoswap', 1, 'xchg'],
  ['amoadd', 0, 'add'],
  ['amoxor', 4, 'xor'],
  ['amoand', 12, 'and'],
  ['amoor', 8, 'or'],
];
for (const [name, funct5, op] of simple) {
  def(`${name}.w`, 'amo', word(funct5), (c) => {
    c.rd(c.e.i64.extend_s(c.e.atomic.rmw32(op, c.atomicAddress(2, c.rs1()), c.e.i32.wrap(c.rs2()))));
    performed(c);
  });
  def(`${name}.d`, 'amo', double(funct5), (c) => {
    c.rd(c.e.atomic.rmw64(op, c.atomicAddress(3, c.rs1()), c.rs2()));
    performed(c);
  });
}

/** Minimum and maximum are compare-and-exchange loops: `better(old)` says whether the old value stays. */
function extreme32(c: Context, better: (old: I32, operand: I32) => I32): void {
  const { e } = c;
  const address = e.keep(c.atomicAddress(2, c.rs1()));
  const operand = e.keep(e.i32.wrap(c.rs2()));
  const old = e.keep(e.atomic.load32(e.get(address)));
  const seen: Local<I32> = e.temporary(old.type);
  e.loop((again) => {
    e.set(seen, e.get(old));
    const next = (): I32 => e.select(e.get(seen), e.get(operand), better(e.get(seen), e.get(operand)));
    e.brIf(again, e.i32.ne(e.tee(old, e.atomic.cmpxchg32(e.get(address), e.get(seen), next())), e.get(seen)));
  });
  c.rd(e.i64.extend_s(e.get(old)));
  performed(c);
}

function extreme64(c: Context, better: (old: I64, operand: I64) => I32): void {
  const { e } = c;
  const address = e.keep(c.atomicAddress(3, c.rs1()));
  const operand = e.keep(c.rs2());
  const old = e.keep(e.atomic.load64(e.get(address)));
  const seen: Local<I64> = e.temporary(old.type);
  e.loop((again) => {
    e.set(seen, e.get(old));
    const next = (): I64 => e.select(e.get(seen), e.get(operand), better(e.get(seen), e.get(operand)));
    e.brIf(again, e.i64.ne(e.tee(old, e.atomic.cmpxchg64(e.get(address), e.get(seen), next())), e.get(seen)));
  });
  c.rd(e.get(old));
  performed(c);
}

const extremes = [
  ['amomin', 16, 'lt_s'],
  ['amomax', 20, 'gt_s'],
  ['amominu', 24, 'lt_u'],
  ['amomaxu', 28, 'gt_u'],
] as const;
for (const [name, funct5, compare] of extremes) {
  def(`${name}.w`, 'amo', word(funct5), (c) => extreme32(c, c.e.i32[compare]));
  def(`${name}.d`, 'amo', double(funct5), (c) => extreme64(c, c.e.i64[compare]));
}

export const a = list;
