import { z } from 'zod';
import { audioMessageSchema } from './audio-channel';
import { consoleMessageSchema } from './console-channel';
import { screenMessageSchema } from './screen-channel';

/**
 * What flows between a running box and those who look at it, beside the control table: one kind of channel for each thing to look at, with
 * acknowledged messages both ways. Adding a kind means one row here and who serves it (Runner.connect).
 */
export const CHANNELS = {
  console: consoleMessageSchema,
  // Terminals beside the first one, as Linux calls them.
  hvc1: consoleMessageSchema,
  hvc2: consoleMessageSchema,
  hvc3: consoleMessageSchema,
  screen: screenMessageSchema,
  audio: audioMessageSchema,
} as const;
export type ChannelKind = keyof typeof CHANNELS;
export const CHANNEL_KINDS = Object.keys(CHANNELS) as [ChannelKind, ...ChannelKind[]];

export const channelMessageSchema = z.union([consoleMessageSchema, screenMessageSchema, audioMessageSchema]);
export type ChannelMessage = z.output<typeof channelMessageSchema>;

/** One end of a channel: a MessagePort as Electron has it, or a channel of a control line (line-channel.ts). What it brings is unchecked. */
export interface Connection<Message = ChannelMessage> {
  postMessage(message: Message): void;
  on(event: 'message', listener: (event: { data: unknown }) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  /** From now on messages are handed over; those before wait. */
  start(): void;
  close(): void;
}

/** Pass on what either end sends, and the end of either. Messages that are none of this kind of channel are dropped. */
export function joinChannels(kind: ChannelKind, one: Connection, other: Connection): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ]) {
    from.on('message', ({ data }) => {
      const message = CHANNELS[kind].safeParse(data);
      if (message.success) to.postMessage(message.data);
    });
    from.on('close', () => to.close());
  }
  one.start();
  other.start();
}
