import { z } from 'zod';
import { errorReportSchema } from '../runner/control';
import { IMAGE_PHASES } from './progress';

/** Shortest time between two reports of progress within one phase, in milliseconds. */
export const PROGRESS_MS = 200;

const amount = z.number().nonnegative();
/** What the process that makes an image says. */
export const imageProcessMessageSchema = z.union([
  z.strictObject({
    progress: z.strictObject({
      phase: z.enum(IMAGE_PHASES),
      done: amount,
      total: amount,
      share: amount.max(1),
      secondsLeft: amount.optional(),
    }),
  }),
  z.strictObject({ done: z.literal(true) }),
  z.strictObject({ error: errorReportSchema }),
]);
export type ImageProcessMessage = z.output<typeof imageProcessMessageSchema>;
