import type { HartStop, Watchpoint } from '../../hart/debug-points';
import type { Mapping } from '../../hart/page-walk';
import type { HartRegisters } from '../../hart/registers';

/** By which addresses memory is looked at: those that a hart uses now, or physical ones. */
export type AddressSpace = { hart: number } | 'physical';

/** What a hart does when the others go on; `pass`: it runs, past the access to watched data that it stands before. */
export type HartAction = 'run' | 'pass' | 'step' | 'stay';

type StoppedListener = (hart: number, stop: HartStop) => void;
type ExitListener = (exit: { code: number }) => void;

/** What the GDB server needs of a machine: its Debugger (machine/debugger.ts), whose comments say what each does. */
export interface DebugTarget {
  readonly harts: number;
  /** created, running, paused, stopped or failed. */
  readonly state: string;
  readonly events: {
    on(event: 'stopped', listener: StoppedListener): unknown;
    on(event: 'exit', listener: ExitListener): unknown;
    off(event: 'stopped', listener: StoppedListener): unknown;
    off(event: 'exit', listener: ExitListener): unknown;
  };
  readonly ranges: { base: number; size: number; readonly: boolean; device: boolean }[];
  prepare(): Promise<void>;
  registers(hart: number): HartRegisters;
  knownCsrs(): number[];
  readCsr(hart: number, number: number): bigint | undefined;
  writeCsr(hart: number, number: number, value: bigint): boolean;
  translate(space: AddressSpace, address: bigint): bigint | undefined;
  mappings(hart: number, most: number): { mappings: Mapping[]; complete: boolean };
  readMemory(space: AddressSpace, address: bigint, length: number): Uint8Array;
  writeMemory(space: AddressSpace, address: bigint, bytes: Uint8Array): boolean;
  setBreakpoints(addresses: bigint[]): void;
  setWatchpoints(watchpoints: Watchpoint[]): void;
  step(hart: number): Promise<HartStop>;
  pause(): Promise<void>;
  go(actions?: readonly HartAction[]): Promise<void>;
  reset(): Promise<void>;
  stop(): Promise<void>;
  powerOff(): void;
}
