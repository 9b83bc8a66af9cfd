import { z } from 'zod';
import { CHANNEL_KINDS, channelMessageSchema } from './channel';
import { errorReportSchema } from './control';

/**
 * What travels on a control line (transport.ts) beside the rows of the control table: calls and their answers, events, and channels
 * (channel.ts). Both sides check what they receive by these.
 */

const id = z.number().int().nonnegative();
const values = z.record(z.string(), z.unknown());
/** Chosen by the client, which opens it. */
const channel = z.number().int().min(0).max(0xffff_ffff);

export const clientMessageSchema = z.union([
  z.strictObject({ id, call: z.string().max(64), args: values }),
  /** A MessagePort may come along; then that is the channel, and the line carries none of its messages. */
  z.strictObject({ id, open: z.enum(CHANNEL_KINDS), channel }),
  z.strictObject({ channel, message: channelMessageSchema }),
  z.strictObject({ shut: channel }),
]);
export type ClientMessage = z.output<typeof clientMessageSchema>;

export const serverMessageSchema = z.union([
  z.strictObject({ id, ok: values }),
  z.strictObject({ id, error: errorReportSchema }),
  z.strictObject({ event: z.string().max(64), data: values }),
  z.strictObject({ channel, message: channelMessageSchema }),
  z.strictObject({ shut: channel }),
]);
export type ServerMessage = z.output<typeof serverMessageSchema>;
