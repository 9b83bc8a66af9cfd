import { UsageError } from '../usage-error';

/** A QEMU command line that is wrong, or asks for what there is not here. Shown as QEMU shows it: one line, exit code 1. */
export class QemuError extends UsageError {
  /** `where`: the option with its argument, as it was given. */
  constructor(where: string, message: string) {
    super(`${where}: ${message}`, 'qemu');
  }
}
