import { type HartStatistics, type MachineStatistics, type VirtualMachine, sumOf } from '../index';
import type { MachineOptions } from './machine-options';
import type { ReportFile } from './report-file';
import { formatTable } from './table';

const TICKS_PER_SECOND = 1e7;

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
const percent = (part: number, of: number): string => (of > 0 ? `${Math.round((100 * part) / of)} %` : '-');
const asleepSeconds = (hart: HartStatistics): number => hart.asleepTicks / TICKS_PER_SECOND;
const mips = (hart: HartStatistics, seconds: number): string => (seconds > 0 ? (hart.instructions / 1e6 / seconds).toFixed(1) : '-');
const waiting = (hart: HartStatistics): number => hart.compileRequests - hart.regionsCompiled - hart.regionsDeclined;
const leftForElsewhere = (hart: HartStatistics): number => hart.regionEntries - hart.exitsAside - hart.exitsBudget - hart.exitsFault;

/** The lines of the table: what, its value for one hart or all, and what it means. `seconds` is the sum over the harts. */
const LINES: [string, (hart: HartStatistics, seconds: number) => string, string][] = [
  ['Instructions', (h) => whole(h.instructions), 'that the guest executed'],
  ['MIPS', (h, seconds) => mips(h, seconds), 'million instructions a second'],
  ['MIPS while awake', (h, seconds) => mips(h, seconds - asleepSeconds(h)), 'the same without the time asleep'],
  ['Time asleep', (h, seconds) => percent(asleepSeconds(h), seconds), 'waiting for an interrupt, at no cost for this computer'],
  ['Interrupts', (h) => whole(h.interrupts), 'timer, devices, other harts'],
  ['Messages', (h) => whole(h.claims), 'of interrupts, taken from the IMSIC (--aia aplic-imsic)'],
  ['Exceptions', (h) => whole(h.exceptions), 'system calls, page faults and the like'],
  ['Translated', (h) => percent(h.regionInstructions, h.instructions), 'of the instructions ran as WebAssembly; the rest was interpreted'],
  ['Regions live', (h) => whole(h.regionsLive), 'pieces of hot guest code that are translated now'],
  ['Regions translated', (h) => whole(h.regionsCompiled), 'since the start, those replaced since included'],
  ['Regions declined', (h) => whole(h.regionsDeclined), 'hot code that was not worth translating'],
  ['Regions waiting', (h) => whole(waiting(h)), 'hot code in the queue for translation'],
  ['Evictions', (h) => whole(h.evictions), 'times that all regions were dropped to make room'],
  ['Modules compiled', (h) => whole(h.modules), 'WebAssembly modules, several regions each'],
  ['Compile time, ms', (h) => whole(h.compileMicroseconds / 1000), 'on a thread of its own, beside the guest'],
  ['Region entries', (h) => whole(h.regionEntries), 'times that the interpreter went into a region'],
  ['  left for elsewhere', (h) => percent(leftForElsewhere(h), h.regionEntries), 'went on in code outside the region'],
  ['  left to look around', (h) => percent(h.exitsBudget, h.regionEntries), 'for timers and interrupts, after so many instructions'],
  ['  left by exception', (h) => percent(h.exitsFault, h.regionEntries), 'an instruction in the region raised one'],
  ['  left for one moment', (h) => percent(h.exitsAside, h.regionEntries), 'for a TLB miss, a device: the interpreter sees to it'],
  ['Pages decoded', (h) => whole(h.pagesDecoded), 'pages of guest code prepared for the interpreter'],
  ['TLB misses, data', (h) => whole(h.tlbMisses), 'guest addresses whose translation had to be looked up'],
  ['TLB misses, code', (h) => whole(h.fetchMisses), 'the same for the addresses of instructions'],
  ['TLB flushes', (h) => whole(h.tlbFlushes), 'times that all looked-up translations were dropped'],
];

/** What the harts did, hart by hart and together, for people. */
export function statisticsTable({ seconds, harts }: MachineStatistics): string {
  const columns = harts.length > 1 ? [...harts, sumOf(harts)] : harts;
  const time = (column: number): number => (column < harts.length ? seconds : seconds * harts.length);
  const rows = LINES.map(([title, value, meaning]) => [title, ...columns.map((hart, i) => value(hart, time(i))), meaning]);
  if (harts.length > 1) rows.unshift(['', ...harts.map((_, i) => `hart ${i}`), 'all harts', '']);
  const right = columns.map((_, i) => i + 1);
  return `Statistics of the box, which ran for ${seconds.toFixed(1)} s:\n${formatTable(rows, right)}`;
}

/** The last interval of all harts in one line. */
export function statisticsLine(total: MachineStatistics, interval: MachineStatistics): string {
  const sum = sumOf(interval.harts);
  const all = sumOf(total.harts);
  const { seconds } = interval;
  const rate = (count: number): string => `${whole(seconds > 0 ? count / seconds : 0)}/s`;
  return [
    `${total.seconds.toFixed(1)} s: ${mips(sum, seconds)} MIPS`,
    `${percent(asleepSeconds(sum), seconds * interval.harts.length)} asleep`,
    `${percent(sum.regionInstructions, sum.instructions)} translated`,
    `${whole(sum.regionsLive)} regions, ${whole(waiting(all))} waiting`,
    `TLB misses ${rate(sum.tlbMisses + sum.fetchMisses)}`,
    `exceptions ${rate(sum.exceptions)}`,
    `interrupts ${rate(sum.interrupts)}`,
  ].join(', ');
}

/** What --check jit compared, when nothing differed. */
function checkReport({ checkedEntries, checkedInstructions, checkedAccesses }: HartStatistics): string {
  const [entries, instructions, accesses] = [checkedEntries, checkedInstructions, checkedAccesses].map(whole);
  return `check: ${entries} times through translated code, ${instructions} instructions and ${accesses} accesses to memory: all as interpreted`;
}

/** Report as the options say: lines while the machine runs, and when it has ended a table or a file of JSON. */
export function reportStatistics(
  machine: VirtualMachine,
  { stats, statsJson, checkJit, checkFences }: Pick<MachineOptions, 'stats' | 'statsJson' | 'checkJit' | 'checkFences'>,
  file: ReportFile | undefined,
  tell: (message: string) => void,
): void {
  if (stats?.every !== undefined) {
    machine.on('statistics', (total, interval) => tell(statisticsLine(total, interval)));
    machine.reportStatistics(stats.every);
  }
  machine.on('exit', (exit) => {
    const total = machine.statistics;
    if (checkJit && !exit.error) tell(checkReport(sumOf(total.harts)));
    if (checkFences)
      tell(
        `check: ${machine.missingFences === 0 ? 'no fence.i is missing' : `a fence.i is missing after ${machine.missingFences} store(s)`}`,
      );
    if (stats) tell(statisticsTable(total).trimEnd());
    file?.write(`${JSON.stringify({ ...total, all: sumOf(total.harts) }, null, 2)}\n`, (why) =>
      tell(`warning: The statistics could not be written to ${statsJson}: ${why}.`),
    );
  });
}
