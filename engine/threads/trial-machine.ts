import type { MmioDevice } from '../bus/device';
import { MmioBus } from '../bus/mmio-bus';
import { VmError } from '../errors/vm-error';
import { GuestMemory } from '../memory/guest-memory';
import { createMemory, planMemory } from '../memory/memory-plan';
import { HartThreads } from './hart-threads';
import { HartPool } from './harts';

const RAM = 0x8000_0000;
const RAM_BYTES = 1 << 20;
/** Where each hart stores the result of a round: one word each. */
const RESULTS = 0x10_0000;
/** What a round gives (computed apart from any hart, by the formulas in the listing). */
const EXPECTED = 0xf9fc_a58f;
/** Instructions that each hart is to execute in translated code. */
const ENOUGH = 2_000_000;
/** How long the harts get, in milliseconds; where translations come later the host is busy, not broken. */
const PATIENCE = 3000;
const LOOK_EVERY = 5;

/** What a trial comes to: whether the harts got to run translated code. */
export type TrialResult = 'translated' | 'interpreted';

/**
 * A round: 2000 times calls, a call through a pointer, an AMO, a load and a fused multiply-add; a0 is the result. Everything that V8
 * might inline, speculate about or compile in another way than before.
 */
const PROGRAM = new Uint32Array([
  0xf1402473, // start: csrr s0, mhartid
  0x000062b7, // lui t0, 6
  0x3002a073, // csrs mstatus, t0: floating point
  0x00010997, // auipc s3, 0x10
  0xff498993, // addi s3, s3, -12: the hart's own memory
  0x00c41293, // slli t0, s0, 12
  0x005989b3, // add s3, s3, t0
  0x00241293, // slli t0, s0, 2
  0x00100a37, // lui s4, 0x100: where results go
  0x005a0a33, // add s4, s4, t0
  0x0009b023, // round: sd zero, 0(s3)
  0x00100513, // li a0, 1
  0x7d000913, // li s2, 2000
  0xd2257553, // fcvt.d.l fa0, a0
  0x22a505d3, // fmv.d fa1, fa0
  0x04c000ef, // loop: jal mix
  0x00157313, // andi t1, a0, 1
  0x00000397, // auipc t2, 0
  0x06038393, // addi t2, t2, 96: even
  0x00030663, // beqz t1, .+12
  0x00000397, // auipc t2, 0
  0x06038393, // addi t2, t2, 96: odd
  0x000380e7, // jalr t2
  0x00a9be2f, // amoadd.d t3, a0, (s3)
  0x01c54533, // xor a0, a0, t3
  0x0009be03, // ld t3, 0(s3)
  0x01c50533, // add a0, a0, t3
  0x5ab57543, // fmadd.d fa0, fa0, fa1, fa1
  0xfff90913, // addi s2, s2, -1
  0xfc0914e3, // bnez s2, loop
  0xc2257e53, // fcvt.l.d t3, fa0
  0x01c50533, // add a0, a0, t3
  0x00aa2023, // sw a0, 0(s4)
  0xfa5ff06f, // j round
  0x00d51293, // mix: slli t0, a0, 13
  0x00554533, // xor a0, a0, t0
  0x00755293, // srli t0, a0, 7
  0x00554533, // xor a0, a0, t0
  0x01151293, // slli t0, a0, 17
  0x00554533, // xor a0, a0, t0
  0x00008067, // ret
  0x03250533, // even: mul a0, a0, s2
  0x00750513, // addi a0, a0, 7
  0x00008067, // ret
  0x032572b3, // odd: remu t0, a0, s2
  0x00550533, // add a0, a0, t0
  0x05554513, // xori a0, a0, 85
  0x00008067, // ret
]);

/**
 * Run two harts in threads of their own, with these flags for V8, until both have executed enough translated code, or for a while: says
 * which. Throws VmError 'Internal' where one computes something wrong, or nothing.
 */
export async function runTrialMachine(flags: readonly string[]): Promise<TrialResult> {
  const harts = 2;
  const threads = new HartThreads({ harts, jit: true, checked: false, flags });
  const plan = planMemory(harts, [{ base: RAM, size: RAM_BYTES }]);
  const memory = new GuestMemory(createMemory(plan), plan);
  memory.copyIn(RAM, new Uint8Array(PROGRAM.buffer));
  const bus = new MmioBus();
  const rounds = new Array<number>(harts).fill(0);
  let failure: VmError | undefined;
  const results: MmioDevice = {
    name: 'results',
    base: RESULTS,
    size: 0x1000,
    read: () => 0,
    write: (offset, _size, value) => {
      rounds[offset / 4]++;
      if (value !== EXPECTED)
        failure ??= new VmError('Internal', `A hart computed 0x${value.toString(16)} instead of 0x${EXPECTED.toString(16)}.`);
    },
  };
  bus.add(results);
  const pool = new HartPool(
    memory.memory,
    plan,
    bus,
    {
      timebase: 10_000_000,
      resetVector: RAM,
      clint: { base: 0x200_0000 },
      interrupts: { kind: 'plic', base: 0xc00_0000, sources: 95 },
      pci: { firstSource: 32 },
      virtioMmio: { base: 0x1000_1000, stride: 0x1000, count: 0, firstSource: 1 },
      ranges: bus.ranges(),
      jit: true,
      hostSleep: 'run',
    },
    threads,
  );
  pool.on('error', (error) => {
    failure ??= error;
  });
  const isDone = (): boolean => pool.statistics.harts.every(({ regionInstructions }) => regionInstructions > ENOUGH);
  try {
    await pool.launch();
    await pool.start();
    const end = performance.now() + PATIENCE;
    while (!failure && !isDone() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
  } finally {
    await pool.stop();
  }
  if (failure) throw failure;
  if (rounds.includes(0)) throw new VmError('Internal', `A hart computed nothing in ${PATIENCE / 1000} s.`);
  return isDone() ? 'translated' : 'interpreted';
}
