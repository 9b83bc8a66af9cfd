import { z } from 'zod';
import { v8VerdictSchema } from '../threads/v8-verdict-schema';

/** The first message to an engine process: the box to run. Those that follow are a control line's (control-message.ts). */
export const engineStartSchema = z.strictObject({
  start: z.object({ vm: z.string(), dataDirectory: z.string(), v8: v8VerdictSchema }),
});
export type EngineStart = z.output<typeof engineStartSchema>;
