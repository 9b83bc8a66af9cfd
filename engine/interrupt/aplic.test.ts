import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMemory, planMemory } from '../memory/memory-plan';
import { Aplic } from './aplic';
import { hartLine, MEIP, SEIP } from './hart-lines';

const HARTS = 3;
const SOURCES = 40;
const IE = 0x100;
const D = 0x400;
const [DETACHED, EDGE1, EDGE0, LEVEL1, LEVEL0] = [1, 4, 5, 6, 7];
const MSI = { mmsiaddrcfg: 0x1bc0, mmsiaddrcfgh: 0x1bc4, smsiaddrcfg: 0x1bc8, smsiaddrcfgh: 0x1bcc };
const SETIPNUM = 0x1cdc;
const CLRIPNUM = 0x1ddc;
const SETIENUM = 0x1edc;
const CLRIENUM = 0x1fdc;
const sourcecfg = (source: number) => 4 * source;
const target = (source: number) => 0x3000 + 4 * source;
const idc = (hart: number, register: number) => 0x4000 + 32 * hart + register;

type Mode = 'direct' | 'messages';

function setUp(mode: Mode) {
  const memory = createMemory(planMemory(HARTS, [{ base: 0x80000000, size: 4096 }]));
  const words = new Int32Array(memory.buffer);
  const sent: [number, number][] = [];
  const sendMessage = (address: number, data: number): void => void sent.push([address, data]);
  const make = () =>
    new Aplic({
      memory,
      machine: 0xc000000,
      supervisor: 0xd000000,
      harts: HARTS,
      sources: SOURCES,
      ...(mode === 'messages' ? { sendMessage } : {}),
    });
  const aplic = make();
  const [m, s] = aplic.domains;
  return { words, sent, make, aplic, m, s };
}

// ---- a plain model of AIA 1.0 §4, source by source -----------------------------------------------------------------------

interface ModelSource {
  config: number;
  pending: boolean;
  enabled: boolean;
  target: number;
}

class ModelDomain {
  enabled = false;
  sources: ModelSource[] = Array.from({ length: SOURCES + 1 }, () => ({ config: 0, pending: false, enabled: false, target: 0 }));
  idcs = Array.from({ length: HARTS }, () => ({ delivery: 0, force: 0, threshold: 0 }));
}

class Model {
  readonly domains = [new ModelDomain(), new ModelDomain()] as const;
  readonly wires = new Array<boolean>(SOURCES + 1).fill(false);
  readonly sent: [number, number][] = [];

  constructor(readonly mode: Mode) {}

  source(domain: number, source: number): ModelSource | undefined {
    return source >= 1 && source <= SOURCES ? this.domains[domain].sources[source] : undefined;
  }
  active(domain: number, source: number): number {
    const config = this.source(domain, source)?.config ?? 0;
    return config & D ? 0 : config;
  }
  rectified(domain: number, source: number): boolean {
    const mode = this.active(domain, source);
    if (mode === EDGE1 || mode === LEVEL1) return this.wires[source];
    if (mode === EDGE0 || mode === LEVEL0) return !this.wires[source];
    return false;
  }
  isLevel(domain: number, source: number): boolean {
    return this.active(domain, source) >= LEVEL1;
  }

  wire(source: number, high: boolean): void {
    const before = [0, 1].map((domain) => this.rectified(domain, source));
    this.wires[source] = high;
    for (const domain of [0, 1]) {
      const one = this.domains[domain].sources[source];
      const now = this.rectified(domain, source);
      if (now && !before[domain]) one.pending = true;
      if (this.isLevel(domain, source) && !now) one.pending = false;
    }
    this.deliver();
  }

  configure(domain: number, source: number, value: number): void {
    const one = this.source(domain, source);
    if (!one) return;
    if (domain === 1 && !(this.domains[0].sources[source].config & D)) return;
    const before = one.config;
    const wasActive = this.active(domain, source) !== 0;
    if (value & D) one.config = domain === 0 ? D : 0;
    else one.config = [DETACHED, EDGE1, EDGE0, LEVEL1, LEVEL0].includes(value & 7) ? value & 7 : 0;
    if (domain === 0 && before & D && !(one.config & D)) {
      Object.assign(this.domains[1].sources[source], { config: 0, pending: false, enabled: false, target: 0 });
    }
    if (this.active(domain, source) === 0) Object.assign(one, { pending: false, enabled: false, target: 0 });
    else if (!wasActive) one.target = this.mode === 'direct' ? 1 : 0;
    if (this.isLevel(domain, source)) one.pending = this.rectified(domain, source);
    this.deliver();
  }

  ask(domain: number, source: number, pending: boolean): void {
    const one = this.source(domain, source);
    if (one && this.active(domain, source) !== 0) {
      if (!this.isLevel(domain, source)) one.pending = pending;
      else if (this.mode === 'messages' && (!pending || this.rectified(domain, source))) one.pending = pending;
    }
    this.deliver();
  }

  enable(domain: number, source: number, enabled: boolean): void {
    const one = this.source(domain, source);
    if (one && this.active(domain, source) !== 0) one.enabled = enabled;
    this.deliver();
  }

  aim(domain: number, source: number, value: number): void {
    const one = this.source(domain, source);
    if (!one || this.active(domain, source) === 0) return;
    const hart = (value & 0xfffc0000) >>> 0;
    one.target = this.mode === 'direct' ? hart + ((value & 7) === 0 ? 1 : value & 7) : hart + (value & 0x7ff);
    this.deliver();
  }

  top(domain: number, hart: number): number {
    const { threshold } = this.domains[domain].idcs[hart];
    const ready = this.domains[domain].sources
      .map((one, number) => ({ ...one, number, priority: one.target & 0xff }))
      .filter((one) => one.pending && one.enabled && one.target >>> 18 === hart && (threshold === 0 || one.priority < threshold))
      .sort((a, b) => a.priority - b.priority || a.number - b.number);
    return ready.length === 0 ? 0 : ready[0].number * 65536 + ready[0].priority;
  }

  claim(domain: number, hart: number): number {
    const top = this.top(domain, hart);
    const one = this.domains[domain].sources[top >>> 16];
    if (top === 0) this.domains[domain].idcs[hart].force = 0;
    else if (!this.isLevel(domain, top >>> 16)) one.pending = false;
    return top;
  }

  line(domain: number, hart: number): boolean {
    const { enabled, idcs } = this.domains[domain];
    return this.mode === 'direct' && enabled && idcs[hart].delivery === 1 && (idcs[hart].force === 1 || this.top(domain, hart) !== 0);
  }

  deliver(): void {
    if (this.mode === 'direct') return;
    this.domains.forEach((domain, level) => {
      if (!domain.enabled) return;
      for (const one of domain.sources) {
        if (!one.pending || !one.enabled) continue;
        one.pending = false;
        this.sent.push([(level === 0 ? 0x24000000 : 0x28000000) + 4096 * ((one.target >>> 18) & 3), one.target & 0x7ff]);
      }
    });
  }
}

const number = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constantFrom(0, 31, 32, SOURCES, SOURCES + 1, 127, 128, 0xffffffff));
const domain = fc.integer({ min: 0, max: 1 });
const hart = fc.integer({ min: 0, max: HARTS - 1 });
const bits = fc.oneof(fc.constantFrom(0x1e, 0xffffffff, 0), fc.nat(0xff));
const step = fc.oneof(
  fc.record({ kind: fc.constant('wire' as const), source: fc.constantFrom(1, 2, 3, 4, 31, 32, SOURCES), high: fc.boolean() }),
  fc.record({
    kind: fc.constant('configure' as const),
    domain,
    source: number,
    value: fc.oneof(fc.constantFrom(D, D | 5, 0, EDGE1, EDGE0, LEVEL1, LEVEL0, DETACHED), fc.nat(0xfff)),
  }),
  fc.record({
    kind: fc.constant('byNumber' as const),
    domain,
    register: fc.constantFrom(SETIPNUM, CLRIPNUM, SETIENUM, CLRIENUM, 0x2000),
    source: number,
  }),
  fc.record({
    kind: fc.constant('bits' as const),
    domain,
    register: fc.constantFrom(0x1c00, 0x1d00, 0x1e00, 0x1f00),
    set: fc.integer({ min: 0, max: 5 }),
    value: bits,
  }),
  fc.record({
    kind: fc.constant('target' as const),
    domain,
    source: number,
    hart: fc.integer({ min: 0, max: HARTS }),
    low: fc.nat(0x3ffff),
  }),
  fc.record({ kind: fc.constant('enable' as const), domain, value: fc.constantFrom(IE, IE, 0, 0xffffffff) }),
  fc.record({
    kind: fc.constant('deliver' as const),
    domain,
    hart,
    register: fc.constantFrom(0, 4, 8),
    value: fc.constantFrom(0, 1, 1, 3, 0xff),
  }),
  fc.record({ kind: fc.constant('claim' as const), domain, hart }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Does a step to both. */
function perform(step: Step, { aplic }: ReturnType<typeof setUp>, model: Model): void {
  if (step.kind === 'wire') {
    aplic.line(step.source).setLevel(step.high);
    model.wire(step.source, step.high);
    return;
  }
  const registers = aplic.domains[step.domain];
  const own = model.domains[step.domain];
  switch (step.kind) {
    case 'configure':
      if (step.source < 1 || step.source > 1023) return;
      registers.write(sourcecfg(step.source), 4, step.value);
      model.configure(step.domain, step.source, step.value);
      return;
    case 'byNumber':
      registers.write(step.register, 4, step.source);
      if (step.register === SETIENUM || step.register === CLRIENUM) model.enable(step.domain, step.source, step.register === SETIENUM);
      else model.ask(step.domain, step.source, step.register !== CLRIPNUM);
      return;
    case 'bits':
      registers.write(step.register + 4 * step.set, 4, step.value);
      for (let bit = 0; bit < 32; bit++) {
        if (((step.value >>> bit) & 1) === 0) continue;
        const source = 32 * step.set + bit;
        if (step.register >= 0x1e00) model.enable(step.domain, source, step.register === 0x1e00);
        else model.ask(step.domain, source, step.register === 0x1c00);
      }
      return;
    case 'target':
      if (step.source < 1 || step.source > 1023) return;
      registers.write(target(step.source), 4, step.hart * 2 ** 18 + step.low);
      model.aim(step.domain, step.source, step.hart * 2 ** 18 + step.low);
      return;
    case 'enable':
      registers.write(0, 4, step.value);
      own.enabled = (step.value & IE) !== 0;
      model.deliver();
      return;
    case 'deliver': {
      registers.write(idc(step.hart, step.register), 4, step.value);
      const fields = own.idcs[step.hart];
      if (model.mode === 'messages') return;
      if (step.register === 0) fields.delivery = step.value & 1;
      else if (step.register === 4) fields.force = step.value & 1;
      else fields.threshold = step.value & 7;
      return;
    }
    case 'claim': {
      const claimed = registers.read(idc(step.hart, 0x1c), 4);
      expect(claimed).toBe(model.mode === 'messages' ? 0 : model.claim(step.domain, step.hart));
    }
  }
}

function compare({ aplic, words, sent }: ReturnType<typeof setUp>, model: Model): void {
  model.domains.forEach((own, level) => {
    const registers = aplic.domains[level];
    const read = (offset: number) => registers.read(offset, 4);
    const set = (of: (source: number) => boolean) =>
      Array.from({ length: 4 }, (_, word) =>
        Array.from({ length: 32 }, (_, bit) => (of(32 * word + bit) ? 2 ** bit : 0)).reduce((sum, one) => sum + one, 0),
      );
    const sets = (offset: number) => [0, 1, 2, 3].map((word) => read(offset + 4 * word));
    expect(read(0)).toBe(0x80000000 + (own.enabled ? IE : 0) + (model.mode === 'messages' ? 4 : 0));
    for (let source = 1; source <= SOURCES + 1; source++) {
      expect([source, read(sourcecfg(source)), read(target(source))]).toEqual([
        source,
        own.sources[source]?.config ?? 0,
        own.sources[source]?.target ?? 0,
      ]);
    }
    expect(sets(0x1c00)).toEqual(set((source) => own.sources[source]?.pending ?? false));
    expect(sets(0x1d00)).toEqual(set((source) => model.rectified(level, source)));
    expect(sets(0x1e00)).toEqual(set((source) => own.sources[source]?.enabled ?? false));
    for (let hart = 0; hart < HARTS; hart++) {
      expect(hartLine(words, hart, level === 0 ? MEIP : SEIP)).toBe(model.line(level, hart));
      const direct = model.mode === 'direct';
      expect(read(idc(hart, 0x18))).toBe(direct ? model.top(level, hart) : 0);
      expect(read(idc(hart, 4))).toBe(own.idcs[hart].force);
    }
  });
  expect(sent).toEqual(model.sent);
}

describe('Aplic', () => {
  it.each<Mode>(['direct', 'messages'])('does what the specification says of each source, whatever happens in which order (%s)', (mode) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), (steps) => {
        const own = setUp(mode);
        const model = new Model(mode);
        if (mode === 'messages') {
          own.m.write(MSI.mmsiaddrcfg, 4, 0x24000);
          own.m.write(MSI.mmsiaddrcfgh, 4, 2 << 12);
          own.m.write(MSI.smsiaddrcfg, 4, 0x28000);
        }
        for (const one of steps) {
          perform(one, own, model);
          compare(own, model);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('is one APLIC for every thread that makes an instance, and can be saved, reset and restored', () => {
    const { aplic, make, m, s, words } = setUp('direct');
    const other = make();
    m.write(sourcecfg(2), 4, D);
    s.write(sourcecfg(2), 4, LEVEL1);
    s.write(SETIENUM, 4, 2);
    s.write(target(2), 4, (1 << 18) | 1);
    s.write(0, 4, IE);
    s.write(idc(1, 0), 4, 1);
    other.line(2).setLevel(true);
    expect(hartLine(words, 1, SEIP)).toBe(true);
    const saved = JSON.parse(JSON.stringify(aplic.domains.map((domain) => domain.state.snapshot())));
    aplic.reset();
    expect([hartLine(words, 1, SEIP), m.read(sourcecfg(2), 4), other.domains[1].read(0, 4)]).toEqual([false, 0, 0x80000000]);
    for (const [at, domain] of other.domains.entries()) domain.state.restore(saved[at]);
    expect(hartLine(words, 1, SEIP)).toBe(true);
    expect(s.read(idc(1, 0x1c), 4)).toBe((2 << 16) | 1);
    expect(() => s.state.restore(saved[0])).toThrow(/cannot be used here: levels/);
    expect(() => aplic.line(SOURCES + 1)).toThrow(/sources 1 to 40/);
  });

  it('keeps the level of a wire through a reset, and takes it from a word where that is the wire', () => {
    const { aplic, m, words } = setUp('direct');
    const line = aplic.wordLine(1, 1024);
    words[256] = 4;
    line.setLevel(false);
    aplic.reset();
    m.write(sourcecfg(1), 4, LEVEL1);
    expect(m.read(0x1c00, 4)).toBe(2);
    words[256] = 0;
    line.setLevel(true);
    expect(m.read(0x1c00, 4)).toBe(0);
  });

  it('finds the address of a message from hart group, hart and the domain’s base, until they are locked', () => {
    const { m, s, sent } = setUp('messages');
    m.write(MSI.mmsiaddrcfg, 4, 0x8000_0000);
    // Base 0xab080000000 pages; 2 bits of hart in steps of 2 pages, 3 bits of group from address bit 24 + 20 on.
    m.write(MSI.mmsiaddrcfgh, 4, (20 << 24) | (1 << 20) | (3 << 16) | (2 << 12) | 0xab0);
    m.write(MSI.smsiaddrcfg, 4, 0xffff_ffff);
    m.write(MSI.smsiaddrcfgh, 4, 0xffff_ffff);
    m.write(0x3000, 4, ((0b10110 << 18) | (63 << 12) | 77) >>> 0);
    expect(sent).toEqual([[(0xab080000000 + 0b101 * 2 ** 32 + 2 * 2) * 4096, 77]]);
    expect(m.read(0x3000, 4)).toBe(((0b10110 << 18) | 77) >>> 0);
    expect([m.read(MSI.smsiaddrcfg, 4), m.read(MSI.smsiaddrcfgh, 4)]).toEqual([0xffff_ffff, 0x0070_0fff]);
    expect([s.read(MSI.mmsiaddrcfg, 4), s.read(MSI.smsiaddrcfg, 4)]).toEqual([0, 0]);
    m.write(MSI.mmsiaddrcfgh, 4, 0x8000_0000);
    m.write(MSI.mmsiaddrcfg, 4, 1);
    m.write(MSI.smsiaddrcfg, 4, 1);
    expect([m.read(MSI.mmsiaddrcfg, 4), m.read(MSI.mmsiaddrcfgh, 4), m.read(MSI.smsiaddrcfg, 4)]).toEqual([
      0x8000_0000, 0x8000_0000, 0xffff_ffff,
    ]);
  });

  it('bears any access to any register', () => {
    for (const mode of ['direct', 'messages'] as const) {
      const { m, s, aplic } = setUp(mode);
      fc.assert(
        fc.property(
          fc.array(fc.record({ supervisor: fc.boolean(), word: fc.nat(0x1fff), value: fc.option(fc.nat(0xffffffff)) }), {
            minLength: 50,
            maxLength: 200,
          }),
          fc.integer({ min: 1, max: SOURCES }),
          (accesses, source) => {
            aplic.line(source).setLevel(accesses.length % 2 === 0);
            for (const { supervisor, word, value } of accesses) {
              const registers = supervisor ? s : m;
              if (value === null) {
                const read = registers.read(4 * word, 4);
                expect(Number.isInteger(read) && read >= 0 && read <= 0xffffffff).toBe(true);
              } else registers.write(4 * word, 4, value);
            }
          },
        ),
        { numRuns: 200 },
      );
    }
  });
});
