import { z } from 'zod';
import type { VmErrorKind } from '../bus/vm-error';
import { type MachineStatistics, STATISTIC_NAMES } from '../hart/statistics';

/** Messages between the app's main process and an engine process; both sides check what they receive. */

const kinds = ['Config', 'Image', 'Resource', 'State', 'Guest', 'Network', 'Device', 'Internal'] as const satisfies VmErrorKind[];

/** A VmError as it travels: what happened, and the causes below it for those who ask. */
export const errorReportSchema = z.object({ kind: z.enum(kinds), message: z.string(), details: z.string() });
export type ErrorReport = z.output<typeof errorReportSchema>;

/** How far the default guest's preparation is (SetupProgress in images/default-guest.ts). `total` is 0 while the size is not known. */
export const progressSchema = z.object({
  phase: z.enum(['wait', 'index', 'download', 'unpack', 'build']),
  /** Bytes. */
  received: z.number().nonnegative(),
  total: z.number().nonnegative(),
});
export type Progress = z.output<typeof progressSchema>;

const machineStatisticsSchema = z.object({
  seconds: z.number(),
  harts: z.array(z.record(z.enum(STATISTIC_NAMES), z.number())),
}) satisfies z.ZodType<MachineStatistics>;

/** The flags that this V8 runs harts with (v8-verdict.ts); and, where they had to be left out, what to tell the user. */
export const v8VerdictSchema = z.object({ flags: z.array(z.string()), failure: z.string().optional() });
export type V8Verdict = z.output<typeof v8VerdictSchema>;

export const engineRequestSchema = z.discriminatedUnion('type', [
  /** Once, first. */
  z.object({ type: z.literal('start'), vm: z.string(), dataDirectory: z.string(), v8: v8VerdictSchema }),
  z.object({ type: z.literal('pause') }),
  z.object({ type: z.literal('resume') }),
  /** Ask the guest to shut down. */
  z.object({ type: z.literal('power-off') }),
  /** End the machine, or its preparation, at once. */
  z.object({ type: z.literal('force-off') }),
  /** From now on send `statistics` every so many milliseconds; 0: no more. */
  z.object({ type: z.literal('statistics'), every: z.union([z.literal(0), z.number().min(100)]) }),
  /** Carries a MessagePort on which the console speaks ConsoleMessage. */
  z.object({ type: z.literal('console') }),
]);
export type EngineRequest = z.output<typeof engineRequestSchema>;

export const engineEventSchema = z.discriminatedUnion('type', [
  /** Every HEARTBEAT_MS while the process's event loop turns. */
  z.object({ type: z.literal('heartbeat') }),
  z.object({ type: z.literal('progress'), progress: progressSchema }),
  z.object({ type: z.literal('state'), state: z.enum(['starting', 'running', 'paused']) }),
  z.object({ type: z.literal('warning'), error: errorReportSchema }),
  /** What the harts have done since the machine was switched on, and since the message before. */
  z.object({ type: z.literal('statistics'), total: machineStatisticsSchema, interval: machineStatisticsSchema }),
  /** The last message: the machine is off. */
  z.object({ type: z.literal('exit'), code: z.number().int(), error: errorReportSchema.optional() }),
]);
export type EngineEvent = z.output<typeof engineEventSchema>;

export const HEARTBEAT_MS = 2000;
