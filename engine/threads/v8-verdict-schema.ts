import { z } from 'zod';

/** The flags that this V8 runs harts with (v8-verdict.ts); and, where they had to be left out, what to tell the user. */
export const v8VerdictSchema = z.object({ flags: z.array(z.string()), failure: z.string().optional() });
export type V8Verdict = z.output<typeof v8VerdictSchema>;
