import { z } from 'zod';
import type { AccessSize, BoardDevice } from '../bus/device';
import { DeviceState, unsigned, wordList } from '../bus/device-state';
import type { DeviceTreeNode } from '../bus/device-tree';
import { HARTS_MAX } from '../memory/layout';
import { MEIP, SEIP, setHartLine } from './hart-lines';
import type { SharedLock } from './shared-lock';

/** Words of a bit set of sources. */
export const SET_WORDS = 4;

// State of a domain, in words.
const CONFIG = 0;
const GENMSI = 1;
/** mmsiaddrcfg, mmsiaddrcfgh, smsiaddrcfg, smsiaddrcfgh: of the root domain. */
const ADDRESSES = 2;
const PENDING = 8;
const ENABLED = PENDING + SET_WORDS;
const SOURCES = ENABLED + SET_WORDS;
const TARGETS = SOURCES + 32 * SET_WORDS;
/** Per hart: idelivery, iforce, ithreshold. */
const DELIVERIES = TARGETS + 32 * SET_WORDS;
const DELIVERY_WORDS = 4;
export const DOMAIN_WORDS = DELIVERIES + DELIVERY_WORDS * HARTS_MAX;

// Register map (AIA 1.0 §4.5). Bit sets take 0x80 bytes, the register that names one source lies behind each.
const MAP_ADDRESSES = 0x1bc0;
const MAP_SETIP = 0x1c00;
const MAP_IN_CLRIP = 0x1d00;
const MAP_SETIE = 0x1e00;
const MAP_CLRIE = 0x1f00;
const MAP_BY_NUMBER = 0xdc;
const MAP_SETIPNUM_LE = 0x2000;
const MAP_GENMSI = 0x3000;
const MAP_DELIVERIES = 0x4000;
const MAP_DELIVERY_STRIDE = 32;
// In a delivery control structure (§4.8.1).
const IDELIVERY = 0x00;
const IFORCE = 0x04;
const ITHRESHOLD = 0x08;
const TOPI = 0x18;
const CLAIMI = 0x1c;

const CONFIG_READ_ONLY = 0x8000_0000;
const CONFIG_IE = 1 << 8;
const CONFIG_DM = 1 << 2;
const SOURCE_DELEGATED = 1 << 10;
// Source modes (§4.5.2): also 4 and 5, edges that rise and fall, and 7, low level; 2 and 3 are reserved.
const INACTIVE = 0;
const DETACHED = 1;
const LEVEL1 = 6;
/** Priorities have 3 bits, as on QEMU's virt. */
const PRIORITY_MASK = 7;
const HART_INDEX_SHIFT = 18;
const HART_INDEX_MASK = 0xfffc_0000;
/** Hart index and EIID; the guest index is zero without the hypervisor extension. */
const MESSAGE_MASK = HART_INDEX_MASK | 0x7ff;
const ADDRESS_MASKS = [-1, 0x9f77_ffff, -1, 0x0070_0fff];
const ADDRESS_LOCKED = 1 << 31;

const delivery = z.strictObject({ idelivery: unsigned(1), iforce: unsigned(1), ithreshold: unsigned(3) });
const set = wordList(SET_WORDS);

export interface AplicDomainOptions {
  words: Int32Array;
  lock: SharedLock;
  /** Indexes of the wires' levels, of this domain's state and of the root domain's. */
  levels: number;
  state: number;
  root: number;
  base: number;
  harts: number;
  sources: number;
  sendMessage?: (address: number, data: number) => void;
  /** The domain that sources can be delegated to. */
  child?: AplicDomain;
}

/** An interrupt domain of an APLIC: its registers, and what they do. */
export class AplicDomain implements BoardDevice {
  readonly name: string;
  readonly base: number;
  readonly size = 0x8000;
  readonly accessSizes = { min: 4, max: 4 } as const;
  private readonly words: Int32Array;
  /** Index of the first word of its state. */
  private readonly at: number;
  private readonly isRoot: boolean;
  private readonly messages: boolean;
  private readonly setWords: number;
  readonly state: DeviceState;

  constructor(private readonly options: AplicDomainOptions) {
    this.base = options.base;
    this.name = `aplic@${options.base.toString(16)}`;
    this.words = options.words;
    this.at = options.state;
    this.isRoot = options.state === options.root;
    this.messages = options.sendMessage !== undefined;
    this.setWords = (options.sources >>> 5) + 1;
    this.state = this.describeState();
  }

  read(offset: number, _size: AccessSize): number {
    this.options.lock.acquire();
    const value = this.readRegister(offset);
    this.options.lock.release();
    return value >>> 0;
  }

  write(offset: number, _size: AccessSize, value: number): void {
    this.options.lock.acquire();
    this.writeRegister(offset, value);
    this.update();
    this.options.lock.release();
  }

  /** All as after power-on. */
  reset(): void {
    this.options.lock.acquire();
    this.words.fill(0, this.at, this.at + DOMAIN_WORDS);
    this.update();
    this.options.lock.release();
  }

  /** The root domain's holds the levels of the wires too, as they are the devices', saved with them. */
  private describeState(): DeviceState {
    const { words, at: state, options } = this;
    const { harts, sources, levels, lock } = options;
    const copy = (at: number, length: number): number[] => Array.from(words.subarray(at, at + length), (word) => word >>> 0);
    return new DeviceState(this, {
      version: 1,
      schema: z.strictObject({
        levels: this.isRoot ? set : z.null(),
        domaincfg: unsigned(32),
        genmsi: unsigned(32),
        addresses: z.array(unsigned(32)).length(4),
        pending: set,
        enabled: set,
        /** sourcecfg and target of source 1, 2, … */
        sourcecfg: z.array(unsigned(11)).length(sources),
        targets: z.array(unsigned(32)).length(sources),
        deliveries: z.array(delivery).length(harts),
      }),
      save: () => {
        lock.acquire();
        const saved = {
          levels: this.isRoot ? copy(levels, SET_WORDS) : null,
          domaincfg: words[state + CONFIG],
          genmsi: words[state + GENMSI] >>> 0,
          addresses: copy(state + ADDRESSES, 4),
          pending: copy(state + PENDING, SET_WORDS),
          enabled: copy(state + ENABLED, SET_WORDS),
          sourcecfg: copy(state + SOURCES + 1, sources),
          targets: copy(state + TARGETS + 1, sources),
          deliveries: Array.from({ length: harts }, (_, hart) => {
            const [idelivery, iforce, ithreshold] = copy(this.delivery(hart), 3);
            return { idelivery, iforce, ithreshold };
          }),
        };
        lock.release();
        return saved;
      },
      load: (saved, refuse) => {
        const { domaincfg, genmsi, addresses, pending, enabled, sourcecfg, targets } = saved;
        const modes = this.isRoot ? [0, 1, 4, 5, 6, 7, SOURCE_DELEGATED] : [0, 1, 4, 5, 6, 7];
        if (sourcecfg.some((config) => !modes.includes(config))) refuse('it has sources with modes that there are not');
        const active = (source: number): boolean => [1, 4, 5, 6, 7].includes(sourcecfg[source - 1]);
        const beyond = [...pending, ...enabled].some((bits, at) => {
          for (let left = bits | 0; left !== 0; left &= left - 1)
            if (!active((at % SET_WORDS) * 32 + 31 - Math.clz32(left & -left))) return true;
          return false;
        });
        if (beyond) refuse('sources are pending or enabled that are not active');
        const masks = [
          [domaincfg, CONFIG_IE],
          [genmsi, MESSAGE_MASK],
          ...addresses.map((word, i) => [word, ADDRESS_MASKS[i] | (i === 1 ? ADDRESS_LOCKED : 0)]),
        ];
        if (masks.some(([word, mask]) => (word & ~mask) !== 0)) refuse('registers have bits set that they do not have');
        const known = this.messages ? MESSAGE_MASK : HART_INDEX_MASK | PRIORITY_MASK;
        if (targets.some((target, i) => (target & ~known) !== 0 || (target !== 0 && !active(i + 1))))
          refuse('it has targets that cannot be');
        return () => {
          lock.acquire();
          if (saved.levels) words.set(saved.levels, levels);
          words[state + CONFIG] = domaincfg;
          words[state + GENMSI] = genmsi;
          words.set(addresses, state + ADDRESSES);
          words.set(pending, state + PENDING);
          words.set(enabled, state + ENABLED);
          words.set(sourcecfg, state + SOURCES + 1);
          words.set(targets, state + TARGETS + 1);
          for (const [hart, { idelivery, iforce, ithreshold }] of saved.deliveries.entries())
            words.set([idelivery, iforce, ithreshold], this.delivery(hart));
          this.update();
          lock.release();
        };
      },
    });
  }

  // ---- under the lock -----------------------------------------------------------------------------------------------

  /** A wire has another level than before (§4.7). */
  wireChanged(source: number): void {
    const mode = this.mode(source);
    if (mode <= DETACHED) return;
    const high = this.rectified(source);
    // In message mode too: a rise makes the request, a fall takes it back if it has not been forwarded.
    if (mode >= LEVEL1) this.setPending(source, high);
    else if (high) this.setPending(source, true);
    this.update();
  }

  /** Interrupt or forward whatever there is. */
  update(): void {
    const enabled = (this.words[this.at + CONFIG] & CONFIG_IE) !== 0;
    if (this.messages) {
      if (enabled) this.forward();
      return;
    }
    for (let hart = 0; hart < this.options.harts; hart++) {
      const at = this.delivery(hart);
      const asserted = enabled && this.words[at] !== 0 && (this.words[at + 1] !== 0 || this.top(hart) !== 0);
      setHartLine(this.words, hart, this.isRoot ? MEIP : SEIP, asserted);
    }
  }

  private readRegister(offset: number): number {
    const { words, at: state } = this;
    if (offset === 0) return CONFIG_READ_ONLY | words[state + CONFIG] | (this.messages ? CONFIG_DM : 0);
    if (offset >= MAP_DELIVERIES) return this.readDelivery(offset - MAP_DELIVERIES);
    if (offset === MAP_GENMSI) return words[state + GENMSI];
    const source = (offset & 0xfff) >>> 2;
    if (offset < 0x1000) return source <= this.options.sources ? words[state + SOURCES + source] : 0;
    if (offset > MAP_GENMSI) return source <= this.options.sources ? words[state + TARGETS + source] : 0;
    if (offset >= MAP_ADDRESSES && offset < MAP_ADDRESSES + 16) return words[state + ADDRESSES + ((offset - MAP_ADDRESSES) >>> 2)];
    const set = (offset & 0xff) >>> 2;
    if (set >= this.setWords) return 0;
    switch (offset & ~0xff) {
      case MAP_SETIP:
        return words[state + PENDING + set];
      case MAP_IN_CLRIP:
        return this.rectifiedWord(set);
      case MAP_SETIE:
        return words[state + ENABLED + set];
      default:
        return 0;
    }
  }

  private writeRegister(offset: number, value: number): void {
    const { words, at: state } = this;
    if (offset === 0) words[state + CONFIG] = value & CONFIG_IE;
    else if (offset >= MAP_DELIVERIES) this.writeDelivery(offset - MAP_DELIVERIES, value);
    else if (offset < 0x1000) this.configure(offset >>> 2, value);
    else if (offset > MAP_GENMSI) this.writeTarget((offset - MAP_GENMSI) >>> 2, value);
    else if (offset === MAP_GENMSI) this.writeGenmsi(value);
    else if (offset === MAP_SETIPNUM_LE) this.tryPending(value, true);
    else if (offset >= MAP_ADDRESSES && offset < MAP_ADDRESSES + 16) this.writeAddress((offset - MAP_ADDRESSES) >>> 2, value);
    else if ((offset & 0xff) === MAP_BY_NUMBER) this.change(offset & ~0xff, value);
    else {
      const set = (offset & 0xff) >>> 2;
      if (set >= this.setWords) return;
      for (let bits = value; bits !== 0; bits &= bits - 1) this.change(offset & ~0xff, set * 32 + 31 - Math.clz32(bits & -bits));
    }
  }

  /** Set or clear one bit of the set at `map`. */
  private change(map: number, source: number): void {
    if (map === MAP_SETIP || map === MAP_IN_CLRIP) this.tryPending(source, map === MAP_SETIP);
    else if (map === MAP_SETIE || map === MAP_CLRIE) {
      if (this.mode(source) !== INACTIVE) this.setBit(ENABLED, source, map === MAP_SETIE);
    }
  }

  // ---- sources ------------------------------------------------------------------------------------------------------

  /** Whether the domain has the source: below the root, what is delegated (§4.2). */
  private has(source: number): boolean {
    if (source < 1 || source > this.options.sources) return false;
    return this.isRoot || (this.words[this.options.root + SOURCES + source] & SOURCE_DELEGATED) !== 0;
  }

  /** The mode of any number: what is no source here, or is delegated, is inactive. */
  private mode(source: number): number {
    if (source < 1 || source > this.options.sources) return INACTIVE;
    const config = this.words[this.at + SOURCES + source];
    return config & SOURCE_DELEGATED ? INACTIVE : config;
  }

  private configure(source: number, value: number): void {
    if (!this.has(source)) return;
    const { child } = this.options;
    const mode = value & 7;
    // There is one child domain, number 0.
    const delegated = child ? SOURCE_DELEGATED : 0;
    const config = value & SOURCE_DELEGATED ? delegated : mode === 2 || mode === 3 ? INACTIVE : mode;
    const at = this.at + SOURCES + source;
    const before = this.words[at];
    this.words[at] = config;
    if (before & SOURCE_DELEGATED && config !== before) child?.withdraw(source);
    const active = this.mode(source);
    if (active === INACTIVE) this.deactivate(source);
    else if (before === INACTIVE || before & SOURCE_DELEGATED) this.words[this.at + TARGETS + source] = this.messages ? 0 : 1;
    // What is asserted already would else be lost in message mode (§4.5.2 allows it).
    if (active >= LEVEL1) this.setPending(source, this.rectified(source));
  }

  /** The parent domain has taken a source back. */
  private withdraw(source: number): void {
    this.words[this.at + SOURCES + source] = INACTIVE;
    this.deactivate(source);
    this.update();
  }

  private deactivate(source: number): void {
    this.setPending(source, false);
    this.setBit(ENABLED, source, false);
    this.words[this.at + TARGETS + source] = 0;
  }

  /** The wire's level, inverted for the modes that are (§4.5.2); false where there is no wire to be heard. */
  private rectified(source: number): boolean {
    const mode = this.mode(source);
    if (mode <= DETACHED) return false;
    const high = (this.words[this.options.levels + (source >>> 5)] & (1 << (source & 31))) !== 0;
    return high !== ((mode & 1) !== 0);
  }

  private rectifiedWord(set: number): number {
    let value = 0;
    for (let bit = 0; bit < 32; bit++) if (this.rectified(set * 32 + bit)) value |= 1 << bit;
    return value;
  }

  /** Set or clear a pending bit because software asks for it, where §4.7 allows that. */
  private tryPending(source: number, pending: boolean): void {
    const mode = this.mode(source);
    if (mode === INACTIVE) return;
    if (mode >= LEVEL1 && (!this.messages || (pending && !this.rectified(source)))) return;
    this.setPending(source, pending);
  }

  private setPending(source: number, pending: boolean): void {
    this.setBit(PENDING, source, pending);
  }

  private setBit(set: number, source: number, on: boolean): void {
    const at = this.at + set + (source >>> 5);
    const bit = 1 << (source & 31);
    this.words[at] = on ? this.words[at] | bit : this.words[at] & ~bit;
  }

  private writeTarget(source: number, value: number): void {
    if (this.mode(source) === INACTIVE) return;
    const direct = (value & HART_INDEX_MASK) | (value & PRIORITY_MASK || 1);
    this.words[this.at + TARGETS + source] = this.messages ? value & MESSAGE_MASK : direct;
  }

  // ---- direct delivery (§4.8) -----------------------------------------------------------------------------------------

  private delivery(hart: number): number {
    return this.at + DELIVERIES + hart * DELIVERY_WORDS;
  }

  private readDelivery(offset: number): number {
    const hart = Math.floor(offset / MAP_DELIVERY_STRIDE);
    if (this.messages || hart >= this.options.harts) return 0;
    const at = this.delivery(hart);
    switch (offset % MAP_DELIVERY_STRIDE) {
      case IDELIVERY:
        return this.words[at];
      case IFORCE:
        return this.words[at + 1];
      case ITHRESHOLD:
        return this.words[at + 2];
      case TOPI:
        return this.top(hart);
      case CLAIMI: {
        const top = this.top(hart);
        if (top === 0) this.words[at + 1] = 0;
        else this.tryPending(top >>> 16, false);
        this.update();
        return top;
      }
      default:
        return 0;
    }
  }

  private writeDelivery(offset: number, value: number): void {
    const hart = Math.floor(offset / MAP_DELIVERY_STRIDE);
    if (this.messages || hart >= this.options.harts) return;
    const at = this.delivery(hart);
    const register = offset % MAP_DELIVERY_STRIDE;
    if (register === IDELIVERY) this.words[at] = value & 1;
    else if (register === IFORCE) this.words[at + 1] = value & 1;
    else if (register === ITHRESHOLD) this.words[at + 2] = value & PRIORITY_MASK;
  }

  /** What topi reads: number and priority of the hart's most urgent interrupt, 0 if there is none. */
  private top(hart: number): number {
    const { words, at: state } = this;
    const threshold = words[this.delivery(hart) + 2];
    let best = 0;
    let bestPriority = threshold === 0 ? PRIORITY_MASK + 1 : threshold;
    for (let set = 0; set < this.setWords; set++) {
      for (let bits = words[state + PENDING + set] & words[state + ENABLED + set]; bits !== 0; bits &= bits - 1) {
        const source = set * 32 + 31 - Math.clz32(bits & -bits);
        const target = words[state + TARGETS + source];
        const priority = target & PRIORITY_MASK;
        if (target >>> HART_INDEX_SHIFT === hart && priority < bestPriority) {
          best = source;
          bestPriority = priority;
        }
      }
    }
    return best === 0 ? 0 : (best << 16) | bestPriority;
  }

  // ---- delivery by messages (§4.9) --------------------------------------------------------------------------------------

  private forward(): void {
    const { words, at: state } = this;
    for (let set = 0; set < this.setWords; set++) {
      const bits = words[state + PENDING + set] & words[state + ENABLED + set];
      words[state + PENDING + set] &= ~bits;
      for (let left = bits; left !== 0; left &= left - 1) this.send(words[state + TARGETS + set * 32 + 31 - Math.clz32(left & -left)]);
    }
  }

  private writeGenmsi(value: number): void {
    if (!this.messages) return;
    this.words[this.at + GENMSI] = value & MESSAGE_MASK;
    // It is on its way at once: Busy never shows.
    this.send(value & MESSAGE_MASK);
  }

  private writeAddress(register: number, value: number): void {
    const at = this.at + ADDRESSES;
    if (!this.messages || !this.isRoot || this.words[at + 1] & ADDRESS_LOCKED) return;
    this.words[at + register] = value & ADDRESS_MASKS[register];
  }

  /** Send the message that a target or genmsi register describes to where the root domain's registers say (§4.9.1). */
  private send(target: number): void {
    const { words, options } = this;
    const addresses = options.root + ADDRESSES;
    const fields = words[addresses + 1];
    const own = addresses + (this.isRoot ? 0 : 2);
    const index = target >>> HART_INDEX_SHIFT;
    const lowWidth = (fields >>> 12) & 15;
    const group = ((index >>> lowWidth) & ((1 << ((fields >>> 16) & 7)) - 1)) * 2 ** (((fields >>> 24) & 31) + 12);
    const hart = (index & ((1 << lowWidth) - 1)) << ((words[own + 1] >>> 20) & 7);
    const low = (words[own] | hart | (group % 2 ** 32)) >>> 0;
    const high = ((words[own + 1] & 0xfff) | Math.floor(group / 2 ** 32)) & 0xfff;
    options.sendMessage?.((high * 2 ** 32 + low) * 4096, target & 0x7ff);
  }

  /** Labels: aplic_m and aplic_s; with messages, their parents are imsic_m and imsic_s. */
  deviceTreeNode(): DeviceTreeNode {
    const { harts, sources } = this.options;
    const delegation = [{ ref: 'aplic_s' }, 1, sources];
    const cause = this.isRoot ? 11 : 9;
    return {
      name: this.name,
      label: this.isRoot ? 'aplic_m' : 'aplic_s',
      properties: {
        compatible: 'riscv,aplic',
        reg: [{ u64: this.base }, { u64: this.size }],
        'interrupt-controller': true,
        '#interrupt-cells': [2],
        '#address-cells': [0],
        'riscv,num-sources': [sources],
        ...(this.messages
          ? { 'msi-parent': [{ ref: this.isRoot ? 'imsic_m' : 'imsic_s' }] }
          : { 'interrupts-extended': Array.from({ length: harts }, (_, hart) => [{ ref: `cpu${hart}_intc` }, cause]).flat() }),
        // Older firmware reads riscv,delegate.
        ...(this.isRoot && { 'riscv,children': [{ ref: 'aplic_s' }], 'riscv,delegation': delegation, 'riscv,delegate': delegation }),
      },
    };
  }
}
