import { VmError } from '../../errors/vm-error';
import { systemError } from '../../errors/system-error';
import { readCommandLine } from './command-line';
import { textOf } from './help';
import { QemuError } from './qemu-error';
import { translate } from './translate';

/** QEMU ends so where it cannot do what it was asked for. */
const EXIT_FAILURE = 1;

/** `hartbox qemu …`, `hartbox-qemu …`: the command line of `qemu-system-riscv64`. Returns the exit code. */
export async function qemu(words: string[]): Promise<number> {
  try {
    const wanted = readCommandLine(words);
    if (wanted.shows) {
      process.stdout.write(textOf(wanted.shows));
      // As QEMU ends there.
      return wanted.shows === 'log items' ? EXIT_FAILURE : 0;
    }
    const plan = translate(wanted);
    for (const warning of plan.warnings) process.stderr.write(`hartbox-qemu: warning: ${warning}\n`);
    if (wanted.isVerbose) for (const note of plan.notes) process.stderr.write(`hartbox-qemu: note: ${note}\n`);
    const { runSession } = await import('./session');
    return await runSession(plan);
  } catch (error) {
    if (!(error instanceof QemuError || error instanceof VmError) && !systemError(error)) throw error;
    process.stderr.write(`hartbox-qemu: ${systemError(error)?.message ?? (error as Error).message}\n`);
    return EXIT_FAILURE;
  }
}
