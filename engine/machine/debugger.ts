import { VmError } from '../errors/vm-error';
import type { CsrExaminer } from '../hart/csr-examiner';
import type { DebugPoints, HartStop, Watchpoint } from '../hart/debug-points';
import { type Mapping, mappings, walk } from '../hart/page-walk';
import type { HartRegisters } from '../hart/registers';
import type { GuestMemory } from '../memory/guest-memory';
import type { HartAction } from '../threads/harts';
import { type CoreContents, MAPPINGS_MAX } from './core-dump';

const CSR_SATP = 0x180;
const CSR_MSTATUS = 0x300;
const MSTATUS_MPRV = 1n << 17n;
const CSRS = 4096;
const PAGE = 4096n;
const MOST_ADDRESS = BigInt(Number.MAX_SAFE_INTEGER);

/** What a debugger needs of the machine. */
interface DebuggedMachine {
  readonly harts: number;
  /** Whether no hart runs, and why not if one does. */
  readonly state: string;
  readonly points: DebugPoints;
  readonly memory: GuestMemory;
  readonly events: DebuggerEvents;
  registers(hart: number): HartRegisters;
  step(hart: number): Promise<HartStop>;
  pause(): Promise<void>;
  go(actions: readonly HartAction[] | undefined): Promise<void>;
  reset(): Promise<void>;
  stop(): Promise<void>;
  powerOff(): void;
  csrsOf(hart: number): Promise<CsrExaminer>;
  readDevice(address: number, size: 1 | 2 | 4): number | undefined;
  writeDevice(address: number, size: 1 | 2 | 4, value: number): void;
}

/** The part of a machine's events that a debugger follows. */
interface DebuggerEvents {
  on(event: 'stopped', listener: (hart: number, stop: HartStop) => void): unknown;
  on(event: 'exit', listener: (exit: { code: number }) => void): unknown;
  off(event: 'stopped', listener: (hart: number, stop: HartStop) => void): unknown;
  off(event: 'exit', listener: (exit: { code: number }) => void): unknown;
}

/** By which addresses memory is looked at: those that a hart uses now, with its address space and privilege, or physical ones. */
export type AddressSpace = { hart: number } | 'physical';

/**
 * Stops the harts of a machine and looks into them, for debuggers. When a hart stops, all do: the machine pauses and emits `stopped`;
 * go() and the machine's resume() go on with the instructions at which the harts stand, whether or not those have breakpoints. All but
 * pause(), go(), step(), reset() and stop() throw VmError 'State' while harts run; step() and go() want a paused machine.
 */
export class Debugger {
  private csrs: CsrExaminer[] = [];

  constructor(private readonly machine: DebuggedMachine) {}

  get harts(): number {
    return this.machine.harts;
  }

  get state(): string {
    return this.machine.state;
  }

  /** `stopped` and `exit` of the machine. */
  get events(): DebuggerEvents {
    return this.machine.events;
  }

  /** See DebugPoints.setBreakpoints(). */
  setBreakpoints(addresses: bigint[]): void {
    this.standing.points.setBreakpoints(addresses);
  }

  /** See DebugPoints.setWatchpoints(). */
  setWatchpoints(watchpoints: Watchpoint[]): void {
    this.standing.points.setWatchpoints(watchpoints);
  }

  /** What is written is in force when the hart goes on. */
  registers(hart: number): HartRegisters {
    const { standing } = this;
    standing.points.touch();
    return standing.registers(hart);
  }

  /** To be awaited before CSRs are read. */
  async prepare(): Promise<void> {
    const { machine } = this;
    if (this.csrs.length === 0) this.csrs = await Promise.all(Array.from({ length: machine.harts }, (_, hart) => machine.csrsOf(hart)));
  }

  /** The numbers of all CSRs that the harts have. */
  knownCsrs(): number[] {
    const [first] = this.examiners;
    return Array.from({ length: CSRS }, (_, number) => number).filter((number) => first.read(number) !== undefined);
  }

  /** A CSR, 0 to 4095; undefined where there is none. Reading changes nothing and needs no privilege. */
  readCsr(hart: number, number: number): bigint | undefined {
    return this.examiners[hart].read(number);
  }

  /** As the instruction csrw of machine mode would: bits that cannot be written stay. Whether there is such a register to be written. */
  writeCsr(hart: number, number: number, value: bigint): boolean {
    this.standing.points.touch();
    return this.examiners[hart].write(number, value);
  }

  /** How an address is mapped now; undefined where it is not, or lies nowhere. Rights are not asked for. */
  translate(space: AddressSpace, address: bigint): bigint | undefined {
    if (space === 'physical') return address;
    const mapping = walk(this.satpOf(space.hart), address, this.readWord);
    return mapping && mapping.physical + (address - mapping.virtual);
  }

  /** What the hart's present address space maps, at most `most` ranges, and whether that is all. */
  mappings(hart: number, most: number): { mappings: Mapping[]; complete: boolean } {
    return mappings(this.satpOf(hart), this.readWord, most);
  }

  /** What a core file has of the machine: its memory itself, not a copy. Of address spaces the half of a kernel, which all have, if a hart uses one now. */
  async coreContents(): Promise<CoreContents> {
    const { memory } = this.standing;
    await this.prepare();
    const { standing } = this;
    const harts = Array.from({ length: this.harts }, (_, hart) => hart);
    const translating = harts.find((hart) => this.satpOf(hart) !== 0n);
    const mapped = translating === undefined ? [] : this.mappings(translating, MAPPINGS_MAX).mappings;
    return {
      harts: harts.map((hart) => standing.registers(hart)),
      memory: this.ranges.flatMap(({ base, size, readonly, device }) =>
        readonly || device ? [] : [{ base, bytes: memory.view(base, size) }],
      ),
      mappings: mapped.filter(({ virtual }) => virtual >> 63n === 1n),
    };
  }

  /** The ranges of memory on the board. */
  get ranges(): { base: number; size: number; readonly: boolean; device: boolean }[] {
    return this.machine.memory.plan.regions.map(({ base, size, readonly, device }) => ({ base, size, readonly, device }));
  }

  /**
   * Up to `length` bytes, fewer where some of them are not mapped. Registers of devices are read, with all that a read does, if exactly
   * one of 1, 2, 4 or 8 bytes is asked for.
   */
  readMemory(space: AddressSpace, address: bigint, length: number): Uint8Array {
    const { memory } = this.standing;
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const physical = this.physicalOf(space, address + BigInt(done));
      if (physical === undefined) return bytes.subarray(0, done);
      const part = Math.min(length - done, Number(PAGE) - (physical % Number(PAGE)));
      if (memory.contains(physical, part)) bytes.set(memory.view(physical, part), done);
      else if (done > 0 || part < length || !this.readRegister(physical, bytes)) return bytes.subarray(0, done);
      done += part;
    }
    return bytes;
  }

  /** Write all of the bytes or, where some are not mapped, none; whether they were written. Code that changes is noticed by the harts. */
  writeMemory(space: AddressSpace, address: bigint, bytes: Uint8Array): boolean {
    const { memory, points } = this.standing;
    const parts: { physical: number; from: number; to: number }[] = [];
    for (let from = 0; from < bytes.length; ) {
      const physical = this.physicalOf(space, address + BigInt(from));
      if (physical === undefined) return false;
      const to = Math.min(bytes.length, from + Number(PAGE) - (physical % Number(PAGE)));
      if (!this.isMemory(physical, to - from)) return from === 0 && to === bytes.length && this.writeRegister(physical, bytes);
      parts.push({ physical, from, to });
      from = to;
    }
    for (const { physical, from, to } of parts) memory.copyIn(physical, bytes.subarray(from, to));
    points.touch();
    return true;
  }

  /** Let one hart execute one instruction or take the trap that it raises; the others stand. Interrupts wait. */
  step(hart: number): Promise<HartStop> {
    return this.machine.step(hart);
  }

  pause(): Promise<void> {
    return this.machine.pause();
  }

  /** Go on, each hart as its action says; all run where there are none. A step ends in `stopped`, as a stop does. */
  go(actions?: readonly HartAction[]): Promise<void> {
    return this.machine.go(actions);
  }

  /** As the machine's reset(). */
  reset(): Promise<void> {
    return this.machine.reset();
  }

  /** Switch the machine off. */
  stop(): Promise<void> {
    return this.machine.stop();
  }

  /** Press the power button. Throws VmError as the machine does. */
  powerOff(): void {
    this.machine.powerOff();
  }

  private get standing(): DebuggedMachine {
    const { state } = this.machine;
    if (state === 'running') throw new VmError('State', 'The machine runs; pause it before its harts are looked at or told where to stop.');
    return this.machine;
  }

  private get examiners(): CsrExaminer[] {
    if (this.standing.state === 'created') throw new VmError('State', 'The machine has not been switched on: its harts have no CSRs yet.');
    return this.csrs;
  }

  /** satp as it counts for the hart's data accesses now: 0 in machine mode, unless that lends itself another (MPRV, §3.1.6.3). */
  private satpOf(hart: number): bigint {
    const { level } = this.standing.registers(hart);
    if (level === 3) {
      const mstatus = this.readCsr(hart, CSR_MSTATUS) ?? 0n;
      if ((mstatus & MSTATUS_MPRV) === 0n || ((mstatus >> 11n) & 3n) === 3n) return 0n;
    }
    return this.readCsr(hart, CSR_SATP) ?? 0n;
  }

  private physicalOf(space: AddressSpace, address: bigint): number | undefined {
    const physical = this.translate(space, BigInt.asUintN(64, address));
    return physical === undefined || physical > MOST_ADDRESS ? undefined : Number(physical);
  }

  private readonly readWord = (physical: bigint): bigint | undefined => {
    const { memory } = this.machine;
    if (physical > MOST_ADDRESS || !memory.contains(Number(physical), 8)) return undefined;
    return memory.data.getBigUint64(memory.offsetOf(Number(physical), 8), true);
  };

  /** Whether it is memory that nobody but guest and debugger has to know of. */
  private isMemory(physical: number, length: number): boolean {
    const { memory } = this.machine;
    return (
      memory.contains(physical, length) &&
      !this.ranges.some(({ base, size, device }) => device && physical >= base && physical < base + size)
    );
  }

  private readRegister(physical: number, into: Uint8Array): boolean {
    const view = new DataView(into.buffer, into.byteOffset, into.length);
    return this.forRegister(physical, into.length, (address, at, size) => {
      const value = this.machine.readDevice(address, size);
      if (value === undefined) return false;
      if (size === 1) view.setUint8(at, value);
      else if (size === 2) view.setUint16(at, value, true);
      else view.setUint32(at, value, true);
      return true;
    });
  }

  private writeRegister(physical: number, bytes: Uint8Array): boolean {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return this.forRegister(physical, bytes.length, (address, at, size) => {
      const value = size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
      this.machine.writeDevice(address, size, value);
      return true;
    });
  }

  /** A device's register of 1, 2, 4 or 8 bytes, the last as two; false where there is none. */
  private forRegister(physical: number, length: number, access: (address: number, at: number, size: 1 | 2 | 4) => boolean): boolean {
    if (![1, 2, 4, 8].includes(length) || physical % length !== 0) return false;
    try {
      if (length === 8) return access(physical, 0, 4) && access(physical + 4, 4, 4);
      return access(physical, 0, length as 1 | 2 | 4);
    } catch (error) {
      if (error instanceof VmError) return false;
      throw error;
    }
  }
}
