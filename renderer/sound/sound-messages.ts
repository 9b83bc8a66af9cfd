import type { MixerState } from './mixer';

/** Between the window and its thread for sound. */
export type ToWorklet =
  | { type: 'frames'; stream: number; samples: Float32Array }
  | { type: 'rest'; stream: number }
  /** Whether what comes in is wanted. */
  | { type: 'listen'; isOn: boolean }
  | { type: 'end' };

export type FromWorklet =
  /** How many frames were played since the beginning. */
  ({ type: 'clock'; frames: number } & MixerState) | { type: 'voice'; samples: Float32Array };
