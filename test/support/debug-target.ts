import { EventEmitter } from 'node:events';
import type { AddressSpace, DebugTarget, HartAction } from '../../engine/debug/gdb/target';
import { VmError } from '../../engine/errors/vm-error';
import type { HartStop, Watchpoint } from '../../engine/hart/debug-points';
import { HartRegisters } from '../../engine/hart/registers';
import { HARTS_BASE, HART_STRIDE } from '../../engine/memory/layout';

/** A machine as a debugger sees it, of which tests say when a hart stops. Memory is the first 64 KiB, for all harts. */
export class FakeTarget implements DebugTarget {
  readonly events = new EventEmitter<{ state: [string]; stopped: [number, HartStop]; exit: [{ code: number }] }>();
  readonly ranges = [{ base: 0, size: 0x10000, readonly: false, device: false }];
  state = 'running';
  breakpoints: bigint[] = [];
  watchpoints: Watchpoint[] = [];
  readonly bytes = new Uint8Array(0x10000);
  readonly csrs = new Map<number, bigint>([[0x300, 0xa_0000_0000n]]);
  /** What it was asked for, in order. */
  readonly asked: string[] = [];
  private readonly memory = new WebAssembly.Memory({ initial: 256, maximum: 256, shared: true });

  constructor(readonly harts: number) {
    if (HARTS_BASE + harts * HART_STRIDE > this.memory.buffer.byteLength) throw new Error('so many harts were not thought of');
  }

  async prepare(): Promise<void> {}
  registers(hart: number): HartRegisters {
    this.mustStand();
    if (!(hart >= 0 && hart < this.harts)) throw new Error(`There is no hart ${hart}.`);
    return new HartRegisters(this.memory, hart);
  }
  knownCsrs(): number[] {
    return [...this.csrs.keys()];
  }
  readCsr(_hart: number, number: number): bigint | undefined {
    return this.csrs.get(number);
  }
  writeCsr(_hart: number, number: number, value: bigint): boolean {
    if (!this.csrs.has(number)) return false;
    this.csrs.set(number, value);
    return true;
  }
  translate(_space: AddressSpace, address: bigint): bigint | undefined {
    return address < 0x10000n ? address : undefined;
  }
  mappings(): { mappings: []; complete: boolean } {
    return { mappings: [], complete: true };
  }
  readMemory(_space: AddressSpace, address: bigint, length: number): Uint8Array {
    this.mustStand();
    return address < 0x10000n ? this.bytes.slice(Number(address), Math.min(0x10000, Number(address) + length)) : new Uint8Array();
  }
  writeMemory(_space: AddressSpace, address: bigint, bytes: Uint8Array): boolean {
    this.mustStand();
    if (address + BigInt(bytes.length) > 0x10000n) return false;
    this.bytes.set(bytes, Number(address));
    return true;
  }
  setBreakpoints(addresses: bigint[]): void {
    this.mustStand();
    if (addresses.length > 128) throw VmError.config('too many');
    this.breakpoints = addresses;
  }
  setWatchpoints(watchpoints: Watchpoint[]): void {
    this.mustStand();
    if (watchpoints.length > 32) throw VmError.config('too many');
    this.watchpoints = watchpoints;
  }
  /** The instruction at pc has 4 bytes and does nothing. */
  async step(hart: number): Promise<HartStop> {
    this.mustStand();
    this.asked.push(`step ${hart}`);
    const registers = this.registers(hart);
    registers.pc += 4n;
    return { reason: 'step', pc: registers.pc };
  }
  async pause(): Promise<void> {
    if (this.state !== 'running') throw new VmError('State', 'It does not run.');
    this.state = 'paused';
  }
  async go(actions?: readonly HartAction[]): Promise<void> {
    this.mustStand();
    this.asked.push(actions ? actions.join(' ') : 'go');
    this.state = 'running';
  }
  async reset(): Promise<void> {
    this.asked.push('reset');
  }
  async stop(): Promise<void> {
    this.end(0);
  }
  powerOff(): void {
    this.asked.push('power off');
  }

  /** A hart stops, and so do all. */
  stopAt(hart: number, stop: HartStop): void {
    this.state = 'paused';
    this.registers(hart).pc = stop.pc;
    this.events.emit('stopped', hart, stop);
  }

  end(code: number): void {
    if (this.state === 'stopped') return;
    this.state = 'stopped';
    this.events.emit('exit', { code });
  }

  private mustStand(): void {
    if (this.state === 'running') throw new VmError('State', 'It runs.');
  }
}
