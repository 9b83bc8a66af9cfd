import { inspect } from 'node:util';
import { DeviceError, VmError } from '../errors/vm-error';
import { systemError } from '../errors/system-error';
import type { ErrorReport } from './control';

/** What to tell a person about a failure. What neither is a VmError nor comes from the host is a defect of ours and says so. */
export function reportError(error: unknown): ErrorReport {
  const known = systemError(error);
  const details = causes(known ?? error);
  if (known) {
    const code = known instanceof DeviceError ? known.text : known.code;
    return { kind: known.kind, message: known.message, details, code, params: known.params && { ...known.params } };
  }
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error && error.stack ? error.stack : '';
  return { kind: 'Internal', message: `Hartbox itself failed: ${message}`, details: [stack, details].filter(Boolean).join('\n') };
}

/** A failure that was reported by another process. */
export function errorOf({ kind, message, details, code, params }: ErrorReport): VmError {
  return new VmError(kind, message, { code, params, cause: details === '' ? undefined : details });
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
