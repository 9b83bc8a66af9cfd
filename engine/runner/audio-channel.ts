import { z } from 'zod';

/**
 * What a box plays and records, between the process that hosts it and whoever listens. Samples are little-endian floats from -1 to 1, 48,000 frames
 * a second either way. The listener answers every message of the box by `heard`; while it has not for AUDIO_WINDOW frames, what is played
 * meanwhile is left out: sound that is late is of no use. The guest never waits.
 */

/** Most bytes of samples in a message. */
export const AUDIO_MESSAGE = 64 * 1024;
/** Frames that may be under way: one second. */
export const AUDIO_WINDOW = 48_000;

const samples = z.instanceof(Uint8Array).refine((data) => data.length <= AUDIO_MESSAGE && data.length % 8 === 0);
const stream = z.number().int().min(0).max(63);

/** From the box. */
const playedSchema = z.discriminatedUnion('type', [
  /** What follows in a stream: left and right of each frame. */
  z.object({ type: z.literal('frames'), stream, data: samples }),
  /** Nothing follows in this stream for now. */
  z.object({ type: z.literal('rest'), stream }),
  /** Whether the guest wants to hear a microphone. */
  z.object({ type: z.literal('recording'), isOn: z.boolean() }),
]);

/** From who listens. */
export const listeningSchema = z.discriminatedUnion('type', [
  /** Done with one message. */
  z.object({ type: z.literal('heard') }),
  /** How many frames the loudspeakers have made sound of since some moment; said several times a second. */
  z.object({ type: z.literal('clock'), frames: z.number().int().nonnegative() }),
  /** What the microphone has heard: one sample a frame. */
  z.object({ type: z.literal('voice'), data: samples }),
]);

export const audioMessageSchema = z.union([playedSchema, listeningSchema]);
export type AudioMessage = z.output<typeof audioMessageSchema>;
