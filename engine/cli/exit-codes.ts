/** Exit codes of `hartbox` that are not the guest's own, as `--help` documents them. */
export const EXIT_USAGE = 2;
/** As timeout(1). */
export const EXIT_TIMEOUT = 124;
/** Hartbox itself failed: nothing the guest did. As timeout(1) and docker(1), so that it differs from common guest codes. */
export const EXIT_FAILURE = 125;

/** SIGBREAK's is that of the C library of Windows. */
const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGPIPE: 13, SIGTERM: 15, SIGBREAK: 21 } as const;

/** What a shell reports for a program that a signal ended. */
export function exitCodeOfSignal(signal: keyof typeof SIGNAL_NUMBERS): number {
  return 128 + SIGNAL_NUMBERS[signal];
}
