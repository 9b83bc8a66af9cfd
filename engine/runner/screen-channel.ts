import { z } from 'zod';
import { inputSchema } from './control';

/**
 * A box's screens between the process that hosts it and whoever looks: what changed on one screen, and what is typed and pointed at there. Each
 * message of the box is answered by `shown`; while SCREEN_WINDOW of them are not, none follows, and what changes meanwhile is sent as it is then.
 * Who looks at no screen is sent nothing.
 */

/** Most bytes of pixels in a message: what a MessagePort moves well. */
export const SCREEN_MESSAGE = 240 * 1024;
/** Messages that may be under way. */
export const SCREEN_WINDOW = 8;

const side = z.number().int().min(0).max(0xffff);
const bytes = z.instanceof(Uint8Array).refine((data) => data.length <= SCREEN_MESSAGE);

/** From the box. */
const shownSchema = z.discriminatedUnion('type', [
  /** It has so many pixels from now on, and is black until `tiles` come; 0 where it shows nothing. */
  z.object({ type: z.literal('size'), width: side, height: side }),
  /** Parts of the picture: RGBA, opaque, one part after the other, each row by row. */
  z.object({
    type: z.literal('tiles'),
    parts: z.array(z.object({ x: side, y: side, width: side, height: side })).max(4096),
    data: bytes,
  }),
  /** What the guest's pointer looks like (RGBA, not premultiplied), and which pixel of that points; 0 × 0 where it has none. */
  z.object({ type: z.literal('cursor'), width: side, height: side, hotX: side, hotY: side, data: bytes }),
]);

/** From who looks. */
export const lookingSchema = z.discriminatedUnion('type', [
  /** Done with one message. */
  z.object({ type: z.literal('shown') }),
  /** Which screen is looked at from now on, the first is 0; null: none. */
  z.object({ type: z.literal('look'), screen: z.number().int().min(0).max(15).nullable() }),
  /** The screen that is looked at had better have so many pixels, so many to an inch. */
  z.object({ type: z.literal('want'), width: side, height: side, density: z.number().min(30).max(1000) }),
  inputSchema.extend({ type: z.literal('input') }),
]);
export type LookingMessage = z.output<typeof lookingSchema>;

export const screenMessageSchema = z.union([shownSchema, lookingSchema]);
export type ScreenMessage = z.output<typeof screenMessageSchema>;
