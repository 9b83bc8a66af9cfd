import { asVmError } from '../errors/system-error';
import { CHECKS, type Check } from './checks';
import { AREAS, FINDINGS, type Finding, type FindingId, type Severity, finding } from './findings';
import type { DoctorHost } from './host';

export interface Diagnosis {
  /** The worst of what was found. */
  worst: Severity;
  /** By area, in the order of FINDINGS. */
  findings: Finding[];
}

/** How long one check may take, in milliseconds: the trial of V8 alone may take 15 s on a slow computer. */
const PATIENCE = 40_000;
const SEVERITIES: readonly Severity[] = ['ok', 'note', 'warning', 'problem'];

/** Look at everything. Never rejects: what goes wrong over it is a finding. */
export async function diagnose(
  host: DoctorHost,
  { checks = CHECKS, patience = PATIENCE }: { checks?: Readonly<Record<string, Check>>; patience?: number } = {},
): Promise<Diagnosis> {
  const found = await Promise.all(Object.entries(checks).map(([name, check]) => run(name, check, host, patience)));
  const order = Object.keys(FINDINGS) as FindingId[];
  const findings = found.flat().sort((a, b) => AREAS.indexOf(a.area) - AREAS.indexOf(b.area) || order.indexOf(a.id) - order.indexOf(b.id));
  const worst = findings.reduce((at, { severity }) => Math.max(at, SEVERITIES.indexOf(severity)), 0);
  return { worst: SEVERITIES[worst], findings };
}

async function run(name: string, check: Check, host: DoctorHost, patience: number): Promise<Finding[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding[]>((resolve) => {
    timer = setTimeout(() => resolve([finding('check-late', { check: name, seconds: patience / 1000 })]), patience);
  });
  try {
    return await Promise.race([check(host), late]);
  } catch (error) {
    return [finding('check-failed', { check: name, why: asVmError(error).message })];
  } finally {
    clearTimeout(timer);
  }
}
