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

/** One end of a console: a MessagePort as Electron has it, or a channel of a control line (control-client.ts). What it brings is unchecked. */
export interface ConsoleConnection {
  postMessage(message: ConsoleMessage): void;
  on(event: 'message', listener: (event: { data: unknown }) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  /** From now on messages are handed over; those before wait. */
  start(): void;
  close(): void;
}

/** Pass on what either end sends, and the end of either. Messages that are none of the console's are dropped. */
export function joinConsoles(one: ConsoleConnection, other: ConsoleConnection): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ]) {
    from.on('message', ({ data }) => {
      const message = consoleMessageSchema.safeParse(data);
      if (message.success) to.postMessage(message.data);
    });
    from.on('close', () => to.close());
  }
  one.start();
  other.start();
}
