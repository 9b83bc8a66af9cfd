import { inspect } from 'node:util';
import { VmError } from '../bus/vm-error';
import type { ErrorReport } from './contract';

/** What to tell a person about a failure; anything but a VmError is a defect of ours and says so. */
export function reportError(error: unknown): ErrorReport {
  const details = causes(error);
  if (error instanceof VmError) return { kind: error.kind, message: error.message, details };
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error && error.stack ? error.stack : '';
  return { kind: 'Internal', message: `Hartbox itself failed: ${message}`, details: [stack, details].filter(Boolean).join('\n') };
}

/** The chain of causes, one a line. */
function causes(error: unknown): string {
  const lines: string[] = [];
  for (let cause = causeOf(error); cause !== undefined && lines.length < 8; cause = causeOf(cause)) {
    lines.push(cause instanceof Error ? `${cause.name}: ${cause.message}` : inspect(cause));
  }
  return lines.join('\n');
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
