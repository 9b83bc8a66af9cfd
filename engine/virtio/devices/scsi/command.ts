import type { ZeroCopyIoManager } from '../../../memory/zero-copy-io-manager';
import type { LogicalUnit, UnitKind } from './logical-unit';
import type { ScsiTask } from './task';

/** What a command may use beside its unit. */
export interface CommandContext {
  io: ZeroCopyIoManager;
  /** The numbers of the target's logical units. */
  luns: readonly number[];
}

/** One command: what its descriptor block may hold, what it needs, and what it does. */
export interface Command {
  name: string;
  /** CDB usage data (SPC-5 §6.35): the operation code, then for each byte the bits that are known. All others must be zero. */
  usage: Uint8Array;
  /** The service action in the low bits of byte 1, where the operation code has some. */
  action?: number;
  /** The units that know it; all unless given. */
  kind?: UnitKind;
  /** Is carried out although a unit attention waits (SAM-6 §5.14.1). */
  always?: boolean;
  /** Needs a medium. */
  medium?: boolean;
  /** Changes the medium. */
  writes?: boolean;
  run(unit: LogicalUnit, task: ScsiTask, context: CommandContext): void | Promise<void>;
}

/** Usage data from hexadecimal: `usage('00 00 00 00 00 00')`. */
export function usage(hex: string): Uint8Array {
  return Uint8Array.from(hex.split(' '), (byte) => Number.parseInt(byte, 16));
}

/** A text field of fixed length, filled with spaces. */
export function ascii(text: string, length: number): number[] {
  return Array.from(text.padEnd(length).slice(0, length), (letter) => letter.charCodeAt(0));
}
