/** Requests about logs. What the preload script brings along is small, as in contract.ts. */

/** messages: what a box reported. serial: what its guest wrote to its console. engine: what its process printed. app: the app's own. */
export const LOG_SOURCES = ['messages', 'serial', 'engine', 'app'] as const;
export type LogSource = (typeof LOG_SOURCES)[number];

export const LOG_LEVELS = ['error', 'warning', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `at`: milliseconds since 1970; it and the level are missing where nobody said them. */
export interface LogLine {
  at?: number;
  level?: LogLevel;
  text: string;
}

export interface LogRequests {
  /** The last lines, oldest first. Without a box only the app's own log can be read. */
  'log.read'(vm: string | null, source: LogSource): LogLine[];
  /** Write these into a file that the user picks; answers its path, null if none was picked. */
  'log.save'(vm: string | null, source: LogSource): string | null;
}

export const logRequestNames: Record<keyof LogRequests, true> = { 'log.read': true, 'log.save': true };
