import type { Result } from '../engine/runner/control';
import type { DiskPart, DiskPartUse } from '../engine/runner/disk-parts';

/** Requests about what goes on inside boxes, and what they take of this computer. What the preload script brings along is small, as in contract.ts. */

/** A box that runs, as it is at this moment. */
export interface InsideLook {
  statistics: Result<'statistics'>;
  /** Undefined while there is nobody to tell. */
  memory?: Result<'memory'>;
  drives: Result<'drives'>['drives'];
  adapters: { id: string; sent: number; received: number }[];
}

/** A box as it was, at a time in seconds since 1970. */
export interface PastLook {
  at: number;
  look: InsideLook;
}

/** Where things lie in its memory, and its device tree as source text. */
export interface InsideBoard {
  memoryMap: Result<'board'>['memoryMap'];
  deviceTree: string;
}

/** What Hartbox takes of this computer, in bytes. */
export interface Overview {
  boxes: { id: string; disk: number; files: { path: string; bytes: number }[] }[];
  /** What else it keeps. */
  parts: DiskPartUse[];
  /** Where the boxes are kept. */
  folder: string;
  disk: { free: number; total: number };
  memory: { free: number; total: number };
}

/** How long the hottest functions are looked for, in seconds. */
export const PROFILE_SECONDS = 5;

export interface InsideRequests {
  'inside.look'(vm: string): InsideLook;
  /** The last two minutes while it runs, the oldest first. */
  'inside.past'(vm: string): PastLook[];
  'inside.board'(vm: string): InsideBoard;
  'inside.profile'(vm: string): Result<'profile'>;
  'inside.overview'(): Overview;
  /** Open such a folder in the system's file manager. */
  'inside.show-folder'(part: DiskPart | 'boxes'): void;
}

export const insideRequestNames: Record<keyof InsideRequests, true> = {
  'inside.look': true,
  'inside.past': true,
  'inside.board': true,
  'inside.profile': true,
  'inside.overview': true,
  'inside.show-folder': true,
};
