import type { Scanout } from '../../gpu/scanout';

/** What happened at an input device at one moment; codes are Linux's (input-event-codes.h). */
export type InputReport = readonly { type: number; code: number; value: number }[];

/** Where somebody sits who uses a box by its screen. */
export interface Seat {
  /** What the box is called. */
  readonly name: string;
  readonly scanout: Scanout;
  readonly hasKeyboard: boolean;
  /** Whether it has a tablet, which can be told where to point. */
  readonly hasTablet: boolean;
  input(device: 'keyboard' | 'tablet', report: InputReport): void;
}
