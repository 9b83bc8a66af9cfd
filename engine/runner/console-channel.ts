import { z } from 'zod';
import { CONSOLE_LIMITS } from './console-sender';

/**
 * The console between the process that hosts a box and whoever looks at it, a window or a terminal: bytes both ways in messages of at most
 * 64 KiB, batched over a few milliseconds, with acknowledged flow control. Neither side queues more than a window.
 */

export const consoleMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('data'), data: z.instanceof(Uint8Array).refine((data) => data.length <= CONSOLE_LIMITS.message) }),
  /** The receiver is done with so many bytes. */
  z.object({ type: z.literal('ack'), bytes: z.number().int().nonnegative() }),
  /** From the window or terminal only. */
  z.object({ type: z.literal('resize'), columns: z.number().int().min(1).max(1000), rows: z.number().int().min(1).max(1000) }),
]);
export type ConsoleMessage = z.output<typeof consoleMessageSchema>;
