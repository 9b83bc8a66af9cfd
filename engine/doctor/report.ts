import type { Diagnosis } from './doctor';
import { type Finding, finding } from './findings';
import { type PrivateDetails, withoutPrivateDetails } from './private-details';

/** What a report says of the computer besides what was found. */
export interface ReportFacts {
  hartbox: string;
  /** `linux 6.12.1 x64`. */
  system: string;
  node: string;
  electron?: string | undefined;
  v8: string;
  /** When, as milliseconds since 1970. */
  at: number;
}

/** A finding without personal details. Only its values can have any: its texts are ours, and may well have words that are a user's name. */
export function withoutDetails({ id, params }: Finding, details: PrivateDetails): Finding {
  const entries = Object.entries(params).map(
    ([name, value]) => [name, typeof value === 'string' ? withoutPrivateDetails(value, details) : value] as const,
  );
  return finding(id, Object.fromEntries(entries));
}

/** What was found, to be attached to a bug report: plain text, without personal details. */
export function reportText({ worst, findings }: Diagnosis, facts: ReportFacts, details: PrivateDetails): string {
  const { hartbox, system, node, electron, v8, at } = facts;
  const lines = [
    `Hartbox ${hartbox}`,
    `System: ${withoutPrivateDetails(system, details)}`,
    `${electron === undefined ? '' : `Electron ${electron}, `}Node ${node}, V8 ${v8}`,
    `Time: ${new Date(at).toISOString()}`,
    `Worst finding: ${worst}`,
    '',
    ...findings.map((one) => {
      const { id, severity, text, advice } = withoutDetails(one, details);
      return `[${severity}] ${id}: ${text}${advice === undefined || severity === 'ok' ? '' : `\n    ${advice}`}`;
    }),
  ];
  return `${lines.join('\n')}\n`;
}
