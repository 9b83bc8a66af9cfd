import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Access, buildAccesses, PROGRAM_BYTES, RAISED, readLog } from '../../test/support/aia-program';
import { BareHart, RAM } from '../../test/support/bare-hart';
import { compileHelpers } from '../../test/support/helpers-module';
import { Imsics } from '../interrupt/imsics';
import { STAT_CLAIMS } from './hart-layout';

const MACHINE = 0x24000000;
const SUPERVISOR = 0x28000000;
const FINISHER = 0x100000;
const IDENTITIES = 255;
const ILLEGAL = RAISED | 2n;
const ALL = (1n << 64n) - 1n;
const [MIDELEG, MIE, MIP, SIP] = [0x303, 0x304, 0x344, 0x144];

let helpers: WebAssembly.Module;
beforeAll(async () => {
  helpers = await compileHelpers();
});

function setUp(aia = true) {
  let files: Imsics[] = [];
  const bare: BareHart = new BareHart(helpers, {
    environment: {
      mmioWrite: (address, size, value) => {
        const file = files.find(({ base }) => address >= base && address < base + 4096);
        if (file) file.write(address - file.base, size, value);
        else if (address === FINISHER) bare.stop();
        return file !== undefined || address === FINISHER;
      },
    },
  });
  const { memory } = bare.memory;
  if (aia) {
    files = [
      new Imsics({ memory, base: MACHINE, harts: 1, level: 'machine' }),
      new Imsics({ memory, base: SUPERVISOR, harts: 1, level: 'supervisor' }),
    ];
  }
  const run = (accesses: Access[]): bigint[] => {
    for (const file of files) file.reset();
    bare.run(buildAccesses(accesses));
    return readLog(bare.memory.view(RAM, PROGRAM_BYTES), accesses.length);
  };
  return { bare, files, run };
}

/** An interrupt file and the CSRs that look into it, after AIA 1.0 §2.1 and §3. */
class ModelFile {
  select = 0n;
  delivery = 0n;
  threshold = 0n;
  pending = 0n;
  enabled = 0n;

  get top(): bigint {
    for (let identity = 1n; identity <= BigInt(IDENTITIES); identity++) {
      if (this.threshold !== 0n && identity >= this.threshold) return 0n;
      if (((this.pending & this.enabled) >> identity) & 1n) return identity;
    }
    return 0n;
  }
  get signals(): boolean {
    return this.delivery === 1n && this.top !== 0n;
  }
  receive(identity: number): void {
    if (identity >= 1 && identity <= IDENTITIES) this.pending |= 1n << BigInt(identity);
  }
}

class Model {
  readonly machine = new ModelFile();
  readonly supervisor = new ModelFile();
  mie = 0n;
  mideleg = 0n;

  perform(access: Access): bigint {
    if (access.kind === 'load') return 0n;
    if (access.kind === 'store') {
      const file = access.address < SUPERVISOR ? this.machine : this.supervisor;
      if (access.address % 4096 === 0) file.receive(access.value);
      return 0n;
    }
    const change = (old: bigint, mask = ALL): bigint => {
      if (access.kind === 'read') return old;
      const { how, operand } = access;
      return (how === 'write' ? operand : how === 'set' ? old | operand : old & ~operand) & mask;
    };
    const file = access.csr === 0xfb0 || access.csr >> 8 === 3 ? this.machine : this.supervisor;
    const lines = (this.machine.signals ? 1n << 11n : 0n) | (this.supervisor.signals ? 1n << 9n : 0n);
    switch (access.csr) {
      case MIE:
      case MIDELEG: {
        const name = access.csr === MIE ? 'mie' : 'mideleg';
        const old = this[name];
        this[name] = change(old, access.csr === MIE ? 0xaaan : 0x222n);
        return old;
      }
      case MIP:
        return lines;
      case SIP:
        return lines & this.mideleg;
      case 0xfb0:
      case 0xdb0: {
        if (access.kind === 'csr') return ILLEGAL;
        const ready = lines & this.mie & (access.csr === 0xfb0 ? ~this.mideleg : this.mideleg);
        if (ready === 0n) return 0n;
        return ((ready & 0x800n ? 11n : 9n) << 16n) | 1n;
      }
      case 0x35c:
      case 0x15c: {
        const { top } = file;
        if (access.kind === 'csr') file.pending &= ~(1n << top);
        return (top << 16n) | top;
      }
      case 0x350:
      case 0x150: {
        const old = file.select;
        file.select = change(old, 0x1ffn);
        return old;
      }
      case 0x308:
        return 0n;
      default:
        return this.window(file, change);
    }
  }

  private window(file: ModelFile, change: (old: bigint, mask?: bigint) => bigint): bigint {
    const number = Number(file.select);
    const even = number % 2 === 0;
    if (number >= 0x30 && number <= 0x3f && even) return 0n;
    if (number === 0x70 || number === 0x72) {
      const name = number === 0x70 ? 'delivery' : 'threshold';
      const old = file[name];
      file[name] = change(old, number === 0x70 ? 1n : 0x7ffn);
      return old;
    }
    if (number > 0x70 && number < 0x80) return 0n;
    if (number < 0x80 || number > 0xff || !even) return ILLEGAL;
    const name = number < 0xc0 ? 'pending' : 'enabled';
    const shift = BigInt((number & 0x3f) * 32);
    if (shift >= 256n) return 0n;
    const old = (file[name] >> shift) & ALL;
    const mask = shift === 0n ? ALL - 1n : ALL;
    file[name] = (file[name] & ~(ALL << shift)) | (change(old, mask) << shift);
    return old;
  }
}

const how = fc.constantFrom('write' as const, 'set' as const, 'clear' as const);
const selects = fc.oneof(
  fc.constantFrom(0x70n, 0x72n, 0x80n, 0x82n, 0x86n, 0xc0n, 0xc2n, 0xc6n),
  fc.constantFrom(0x70n, 0x80n, 0xc0n),
  fc.constantFrom(0x30n, 0x31n, 0x3en, 0x40n, 0x71n, 0x7fn, 0x81n, 0x88n, 0xbfn, 0xf0n, 0xffn, 0x100n, 0x1ffn, 0x12345n),
);
const operands = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, 0x1en, ALL, 1n << 63n),
  fc.bigInt({ min: 0n, max: 255n }),
  fc.bigInt({ min: 0n, max: ALL }),
);
const access: fc.Arbitrary<Access> = fc.oneof(
  fc.record({
    kind: fc.constant('csr' as const),
    csr: fc.constantFrom(0x350, 0x150),
    how: fc.constant('write' as const),
    operand: selects,
  }),
  fc.record({ kind: fc.constant('csr' as const), csr: fc.constantFrom(0x351, 0x151), how, operand: operands }),
  fc.record({
    kind: fc.constant('csr' as const),
    csr: fc.constantFrom(0x35c, 0x15c, 0xfb0, 0xdb0, 0x308, 0x351, 0x151, 0x150),
    how,
    operand: operands,
  }),
  fc.record({
    kind: fc.constant('csr' as const),
    csr: fc.constantFrom(MIE, MIDELEG),
    how,
    operand: fc.constantFrom(0xa00n, 0x200n, 0x800n),
  }),
  fc.record({ kind: fc.constant('read' as const), csr: fc.constantFrom(0x35c, 0x15c, 0xfb0, 0xdb0, 0x351, 0x151, 0x350, MIP, SIP) }),
  fc.record({
    kind: fc.constant('store' as const),
    address: fc.constantFrom(MACHINE, SUPERVISOR, SUPERVISOR, MACHINE + 4, SUPERVISOR + 0xffc),
    value: fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constantFrom(63, 64, 255, 256, 0xffffffff, 0x1_0001)),
    bytes: fc.constant(4 as const),
  }),
);

const csr = (number: number, operand: bigint, way: 'write' | 'set' | 'clear' = 'write'): Access => ({
  kind: 'csr',
  csr: number,
  how: way,
  operand,
});
const read = (number: number): Access => ({ kind: 'read', csr: number });

describe('a hart with an IMSIC', () => {
  it('does what the specification says of its CSRs and interrupt files, whatever is written to them', () => {
    const { run } = setUp();
    // Both files deliver and have something enabled at the start of most.
    const prelude = [0x350, 0x150].flatMap((select) => [
      csr(select, 0x70n),
      csr(select + 1, 1n),
      csr(select, 0xc0n),
      csr(select + 1, 0x3en),
    ]);
    fc.assert(
      fc.property(fc.boolean(), fc.array(access, { minLength: 30, maxLength: 200 }), (prepared, accesses) => {
        const all = prepared ? [...prelude, ...accesses] : accesses;
        const model = new Model();
        const expected = all.map((one) => model.perform(one));
        expect(run(all)).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  it('has none of these registers where the machine has no IMSICs', () => {
    const { run } = setUp(false);
    const numbers = [0x150, 0x151, 0x15c, 0xdb0, 0x350, 0x351, 0x35c, 0xfb0, 0x308, 0x309];
    expect(run(numbers.map(read))).toEqual(numbers.map(() => ILLEGAL));
  });

  it('has the software-writable bits of mip in mvip', () => {
    const { run } = setUp();
    const log = run([csr(0x309, ALL), read(0x309), read(MIP), csr(0x309, 2n, 'clear'), read(MIP), csr(0x308, ALL), read(0x308)]);
    expect(log).toEqual([0n, 0x222n, 0x222n, 0x222n, 0x220n, 0n, 0n]);
  });

  it('counts what it claims', () => {
    const { bare, run } = setUp();
    const store: Access = { kind: 'store', address: SUPERVISOR, value: 9, bytes: 4 };
    run([csr(0x150, 0xc0n), csr(0x151, ALL), store, csr(0x15c, 0n), csr(0x15c, 0n), store, csr(0x15c, 0n, 'set')]);
    expect(bare.statistic(STAT_CLAIMS)).toBe(2);
  });

  it('saves and restores its interrupt files, and refuses those of another machine', () => {
    const { files, bare, run } = setUp();
    const [, supervisor] = files;
    const look = [csr(0x150, 0x80n), read(0x151), read(0x15c), read(MIP)];
    run([csr(0x150, 0x70n), csr(0x151, 1n), csr(0x150, 0xc2n), csr(0x151, ALL)]);
    supervisor.send(0, 64);
    supervisor.send(0, 7);
    supervisor.send(1, 3);
    const saved = JSON.parse(JSON.stringify(supervisor.state.snapshot()));
    supervisor.reset();
    supervisor.state.restore(saved);
    bare.run(buildAccesses(look));
    const log = readLog(bare.memory.view(RAM, PROGRAM_BYTES), look.length);
    expect(log.slice(1)).toEqual([128n, (64n << 16n) | 64n, 0x200n]);
    expect(() => supervisor.state.restore({ version: 1, state: { harts: [] } })).toThrow(/cannot be used here: harts/);
  });
});
