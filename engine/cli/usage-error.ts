/** The command line itself is wrong. Shown with a hint to `hartbox COMMAND --help`; exit code 2. */
export class UsageError extends Error {
  constructor(
    message: string,
    /** The command whose help tells more. */
    readonly command?: string,
  ) {
    super(message);
  }
}
