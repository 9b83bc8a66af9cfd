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
  /** Undefined where the box shares no clipboard. */
  readonly text?: SharedText | undefined;
}

/** The guest's clipboard, as far as it is text. */
export interface SharedText {
  /** Whether a text was copied in the guest, or given to it. */
  readonly hasText: boolean;
  /** What is in it; undefined where nothing is, or that is not said in time. */
  read(): Promise<string | undefined>;
  /** Programs of the guest find this there from now on. What is too long, or comes while nobody there shares it, is left out. */
  offer(text: string): void;
  /** Whenever something is copied in the guest; returns what ends that. */
  onCopy(listener: () => void): () => void;
}
