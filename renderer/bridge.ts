import type { ErrorReport } from '../engine/runner/control';
import type { RequestName, Requests } from '../main/contract';

/** A request that the main process refused or failed at; `report` is made for people. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  constructor(readonly report: ErrorReport) {
    super(report.message);
  }
}

/** Ask the main process. Throws RequestError. */
export async function request<N extends RequestName>(name: N, ...args: Parameters<Requests[N]>): Promise<ReturnType<Requests[N]>> {
  const answer = await window.hartbox.request(name, ...args);
  if (!answer.ok) throw new RequestError(answer.error);
  return answer.value;
}

/** What to show for whatever was thrown. */
export function errorReport(error: unknown): ErrorReport {
  if (error instanceof RequestError) return error.report;
  return { kind: 'Internal', message: error instanceof Error ? error.message : String(error), details: '' };
}
