import type { VirtualMachine } from '../../../index';

/** What commands work on. */
export interface MonitorContext {
  machine: VirtualMachine;
  /** Whether the harts are held since before their first instruction. */
  isFresh(this: void): boolean;
  /** The hart that is looked at. */
  hart: number;
  name: string | undefined;
  uuid: string | undefined;
  /** The lines, by their names, and what they are. */
  lines: readonly (readonly [name: string, what: string])[];
  /** End all, with exit code 0. */
  quit(this: void): void;
  /** Asked to write what -snapshot keeps apart into the disks; what came of it. */
  commit(this: void): string;
}

export interface MonitorCommand {
  names: readonly string[];
  /** What follows the name. */
  takes?: string;
  help: string;
  run(rest: string, context: MonitorContext): string | Promise<string>;
}
