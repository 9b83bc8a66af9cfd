import { type Diagnosis, diagnose } from '../doctor/doctor';
import { AREAS, type Area, type Severity } from '../doctor/findings';
import { nodeHost, privateDetails, reportFacts } from '../doctor/node-host';
import { reportText } from '../doctor/report';
import { VmError } from '../errors/vm-error';
import { DOCTOR } from './commands/program';
import { expectNames, parseArguments } from './option-parser';
import { ReportFile } from './report-file';

/** A problem was found. */
const EXIT_PROBLEM = 1;

const AREA_TITLES: Record<Area, string> = {
  program: 'Program',
  computer: 'Computer',
  disk: 'Disk',
  boxes: 'Boxes',
  network: 'Network',
  graphics: 'Graphics',
  doctor: 'Doctor',
};
const SIGNS: Record<Severity, string> = { ok: 'ok', note: 'note', warning: 'WARNING', problem: 'PROBLEM' };
const INDENT = ' '.repeat(10);

/** `hartbox doctor`. */
export async function doctor(args: string[]): Promise<number> {
  const { values, names } = parseArguments(DOCTOR, args);
  expectNames(DOCTOR, names, []);
  const report = values.report === undefined ? undefined : await ReportFile.named('--report', values.report);
  const diagnosis = await diagnose(nodeHost());
  process.stdout.write(values.json ? `${JSON.stringify(diagnosis, null, 2)}\n` : listed(diagnosis, values.all ?? false));
  let failure: string | undefined;
  report?.write(reportText(diagnosis, reportFacts(), await privateDetails()), (why) => {
    failure = why;
  });
  await report?.written;
  if (failure !== undefined) throw new VmError('Resource', `The report could not be written to ${values.report}: ${failure}.`);
  return diagnosis.worst === 'problem' ? EXIT_PROBLEM : 0;
}

/** By area; what is `ok` only if `all` is wanted. */
function listed({ worst, findings }: Diagnosis, all: boolean): string {
  const shown = findings.filter(({ severity }) => all || severity !== 'ok');
  const sections = AREAS.flatMap((area) => {
    const here = shown.filter((one) => one.area === area);
    if (here.length === 0) return [];
    const lines = here.flatMap(({ severity, text, advice }) => [
      `  ${SIGNS[severity].padEnd(INDENT.length - 2)}${text}`,
      ...(advice === undefined || severity === 'ok' ? [] : [`${INDENT}${advice}`]),
    ]);
    return [`${AREA_TITLES[area]}\n${lines.join('\n')}\n`];
  });
  const fine = findings.length - shown.length;
  const end = {
    ok: 'All is as it should be.',
    note: 'All is as it should be.',
    warning: 'Boxes run; see the warnings for what is missing or slow.',
    problem: 'Boxes do not run, or not all: see the problems.',
  }[worst];
  return `${sections.join('\n')}${sections.length > 0 ? '\n' : ''}${end}${fine > 0 ? ` (${fine} findings without remark: --all)` : ''}\n`;
}
