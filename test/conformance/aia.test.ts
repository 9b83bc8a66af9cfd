import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { MmioBus } from '../../engine/bus/mmio-bus';
import { InterruptControllers, type InterruptPlan } from '../../engine/interrupt/interrupt-controllers';
import { Uart } from '../../engine/board/uart';
import { type Access, ACCESSES_MAX, buildAccesses, PROGRAM_BYTES, readLog } from '../support/aia-program';
import { BareHart, RAM } from '../support/bare-hart';
import { compileHelpers } from '../support/helpers-module';
import { runInQemu } from './qemu';

/**
 * Random accesses to the registers of APLIC, IMSIC and AIA's CSRs, in our hart and in QEMU's. Left out is what QEMU 7.2 does otherwise
 * than the specification: changes of sourcecfg later on, in_clrip as read, pending bits of level-sensitive sources (AIA 1.0 §4.5.2, §4.7), mvip (§5.3),
 * priorities of major interrupts (§5.2.1).
 */

const HARTS = 2;
const APLIC = { machine: 0xc000000, supervisor: 0xd000000 };
const IMSIC = { machine: 0x24000000, supervisor: 0x28000000 };
const UART_IER = 0x10000001;
const UART_SOURCE = 10;
const SOURCES = 96;
const PROGRAMS = 4;

function plan(aia: 'aplic' | 'aplic-imsic'): InterruptPlan {
  return { kind: 'aplic', domains: APLIC, sources: SOURCES, ...(aia === 'aplic-imsic' ? { imsics: IMSIC } : {}) };
}

function runHere(helpers: WebAssembly.Module, image: Uint8Array, aia: 'aplic' | 'aplic-imsic'): Uint8Array {
  const bus = new MmioBus();
  const bare: BareHart = new BareHart(helpers, {
    harts: HARTS,
    environment: {
      mmioRead: (address, size) => bus.read(address, size),
      mmioWrite: (address, size, value) => {
        bus.write(address, size, value);
        return true;
      },
    },
  });
  const controllers = new InterruptControllers(bare.memory.memory, HARTS, plan(aia));
  for (const device of controllers.devices) bus.add(device);
  bus.add(new Uart({ base: 0x10000000, line: controllers.wires.line(UART_SOURCE), output: () => undefined }));
  bus.add({ name: 'finisher', base: 0x100000, size: 4096, read: () => 0, write: () => bare.stop() });
  bare.run(image);
  return bare.memory.view(RAM, PROGRAM_BYTES).slice();
}

const source = fc.oneof(fc.constantFrom(1, 2, 3, UART_SOURCE, UART_SOURCE), fc.constantFrom(0, 31, 32, 95, 96, 97, 200));
const domain = fc.constantFrom(APLIC.machine, APLIC.supervisor);
const store = (address: fc.Arbitrary<number>, value: fc.Arbitrary<number>): fc.Arbitrary<Access> =>
  fc.record({ kind: fc.constant('store' as const), address, value, bytes: fc.constant(4 as const) });
const at = (offsets: fc.Arbitrary<number>): fc.Arbitrary<number> => fc.tuple(domain, offsets).map(([base, offset]) => base + offset);
const REAL = [1, 2, 3, UART_SOURCE, 31, 32, 95, 96];
const real = fc.constantFrom(...REAL);
const bits = fc.oneof(fc.constantFrom(0x40e, 0xffffffff, 2), fc.nat(0xfff));
const hart = fc.constantFrom(0, 0, 1);

/** What both delivery modes have. */
const aplicAccess: fc.Arbitrary<Access>[] = [
  store(at(fc.constant(0)), fc.constantFrom(0x100, 0x100, 0)),
  store(at(fc.constantFrom(0x1cdc, 0x1cdc, 0x1ddc, 0x1edc, 0x1edc, 0x1fdc, 0x2000)), source),
  store(at(fc.constantFrom(0x1c00, 0x1d00, 0x1e00, 0x1e00, 0x1f00, 0x1c04, 0x1e08)), bits),
  fc.record({
    kind: fc.constant('load' as const),
    address: at(
      fc.oneof(
        fc.constantFrom(0, 0x1c00, 0x1e00, 0x1c08, 0x1cdc, 0x1edc),
        real.map((one) => 4 * one),
      ),
    ),
  }),
  fc.record({
    kind: fc.constant('store' as const),
    address: fc.constant(UART_IER),
    value: fc.constantFrom(0, 2, 2, 0),
    bytes: fc.constant(1 as const),
  }),
];
const read = (...numbers: number[]): fc.Arbitrary<Access> =>
  fc.record({ kind: fc.constant('read' as const), csr: fc.constantFrom(...numbers) });

const direct = fc.oneof(
  ...aplicAccess,
  store(
    at(real.map((one) => 0x3000 + 4 * one)),
    fc.tuple(hart, fc.nat(7)).map(([h, priority]) => h * 2 ** 18 + priority),
  ),
  store(at(fc.tuple(hart, fc.constantFrom(0, 0, 8)).map(([h, register]) => 0x4000 + 32 * h + register)), fc.constantFrom(1, 1, 0, 1, 5)),
  fc.record({
    kind: fc.constant('load' as const),
    address: at(fc.tuple(hart, fc.constantFrom(0, 4, 8, 0x18, 0x18, 0x1c, 0x1c)).map(([h, register]) => 0x4000 + 32 * h + register)),
  }),
  read(0x344),
);

const operand = fc.oneof(fc.constantFrom(0n, 1n, 2n, 0xffen, (1n << 64n) - 1n), fc.bigInt({ min: 0n, max: 255n }));
const select = fc.oneof(
  fc.constantFrom(0x70n, 0x80n, 0xc0n, 0xc0n),
  fc.constantFrom(0x72n, 0x82n, 0x86n, 0xc2n, 0x81n, 0xc7n, 0x20n, 0x100n),
);
const how = fc.constantFrom('write' as const, 'set' as const, 'clear' as const);
const csr = (numbers: fc.Arbitrary<number>, value: fc.Arbitrary<bigint>, ways: typeof how = how): fc.Arbitrary<Access> =>
  fc.record({ kind: fc.constant('csr' as const), csr: numbers, how: ways, operand: value });
const messages = fc.oneof(
  ...aplicAccess,
  store(
    at(real.map((one) => 0x3000 + 4 * one)),
    fc.tuple(hart, fc.nat(12)).map(([h, identity]) => h * 2 ** 18 + identity),
  ),
  store(
    at(fc.constant(0x3000)),
    fc.tuple(hart, fc.nat(12)).map(([h, identity]) => h * 2 ** 18 + identity),
  ),
  store(fc.constantFrom(IMSIC.machine, IMSIC.supervisor, IMSIC.supervisor + 4096), fc.oneof(fc.nat(12), fc.constantFrom(63, 64, 255, 256))),
  csr(fc.constantFrom(0x350, 0x150), select, fc.constant('write')),
  csr(fc.constantFrom(0x351, 0x151), operand),
  // To QEMU a csrrs or csrrc of 0 writes nothing.
  csr(
    fc.constantFrom(0x35c, 0x15c),
    operand.map((value) => value | 1n),
  ),
  csr(fc.constantFrom(0x304, 0x303), fc.constantFrom(0xa00n, 0x200n, 0x800n)),
  read(0x344, 0x35c, 0x15c, 0x351, 0x151, 0xfb0, 0xdb0),
);

/** Of a result, what may be compared: of mip the external interrupts, of mtopi and stopi no priority. */
function comparable(access: Access, value: bigint): bigint {
  if (access.kind !== 'read' && access.kind !== 'csr') return value;
  if (access.csr === 0x344) return value & 0xa00n;
  return access.csr === 0xfb0 || access.csr === 0xdb0 ? value >> 16n : value;
}

describe('interrupt controllers', () => {
  let helpers: WebAssembly.Module;
  beforeAll(async () => {
    helpers = await compileHelpers();
  });

  it.each([
    ['aplic', direct],
    ['aplic-imsic', messages],
  ] as const)('do as those of QEMU’s virt,aia=%s', (aia, access) => {
    const write = (address: number, value: number): Access => ({ kind: 'store', address, value, bytes: 4 });
    const domains = Object.values(APLIC);
    const clear = [0x1d00, 0x1f00].flatMap((set) =>
      domains.flatMap((base) => [0, 4, 8, 12].map((word) => write(base + set + word, 0xffffffff))),
    );
    const sources = Array.from({ length: SOURCES }, (_, i) => i + 1);
    const prelude: Access[] = [
      write(APLIC.machine + 0x1bc0, 0x24000),
      write(APLIC.machine + 0x1bc4, 1 << 12),
      write(APLIC.machine + 0x1bc8, 0x28000),
      // QEMU takes the width of hart indexes from here, the specification from mmsiaddrcfgh.
      write(APLIC.machine + 0x1bcc, 1 << 12),
      // QEMU's enable bits may be anything at reset, and of inactive sources can be neither seen nor cleared.
      ...domains.flatMap((base) => sources.map((one) => write(base + 4 * one, 1))),
      ...clear,
      ...domains.flatMap((base) => sources.map((one) => write(base + 4 * one, 0))),
    ];
    for (let program = 0; program < PROGRAMS; program++) {
      // Every other source is delegated; detached, or an edge of either kind.
      const configuration = REAL.flatMap((one, i): Access[] => {
        const mode = [1, 4, 5, 4][(i + program) % 4];
        const machine = (i + program) % 2 === 0 ? 0x400 : mode;
        return [write(APLIC.machine + 4 * one, machine), write(APLIC.supervisor + 4 * one, machine === 0x400 ? mode : 0)];
      });
      // QEMU makes what a falling edge will trigger pending at once, which is allowed.
      configuration.push(...clear);
      const random = fc.sample(access, { numRuns: ACCESSES_MAX - prelude.length - configuration.length, seed: 1000 + program });
      const accesses = [...prelude, ...configuration, ...random];
      const image = buildAccesses(accesses);
      const [ours, theirs] = [runHere(helpers, image, aia), runInQemu(image, aia)].map((memory) => readLog(memory, accesses.length));
      const differs = accesses.findIndex((one, i) => comparable(one, ours[i]) !== comparable(one, theirs[i]));
      const history = accesses.slice(Math.max(0, differs - 400), differs + 1);
      if (differs >= 0)
        throw new Error(
          `access ${differs} gives 0x${ours[differs].toString(16)}, in QEMU 0x${theirs[differs].toString(16)}:\n${history.map(describeAccess).join('\n')}`,
        );
      // Something happened at all.
      expect(new Set(ours).size).toBeGreaterThan(20);
    }
  });
});

function describeAccess(access: Access): string {
  return Object.values(access)
    .map((value) => (typeof value === 'string' ? value : value.toString(16)))
    .join(' ');
}
