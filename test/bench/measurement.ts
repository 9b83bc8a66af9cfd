import type { DefaultGuest } from '../../engine/images/default-guest';
import { formatTable } from '../../engine/cli/table';
import type { Peer } from './peers';

/** What a suite is given, and where it puts what it measures. */
export interface BenchContext {
  guest: DefaultGuest;
  /** A folder for what it makes; removed afterwards. */
  folder: string;
  /** Whether this is asked for. */
  chosen: (measurement: Measurement) => boolean;
  /** Whether seconds are the process's CPU time on the host, not elapsed time. */
  cpuTime: boolean;
  record: (peer: Peer, measurement: Measurement, value: number) => void;
  /** What cannot be measured, though it should: said at once, and by the exit code. */
  failed: (message: string) => void;
  /** Tell whoever watches what happens now. */
  say: (message: string) => void;
}

export interface Measurement {
  name: string;
  kind: Kind;
  unit: Unit;
}

/** What mainly decides: integer code, calls and indirect jumps, floating point, memory, the kernel with traps and processes; code that runs once; the way of disk requests; that of packets; that of files of a shared folder; that of pictures and keys. */
export type Kind = 'integer' | 'calls' | 'float' | 'memory' | 'kernel' | 'cold' | 'idle' | 'disk' | 'net' | 'share' | 'display';
export type Unit = 's' | '% of a core' | 'MB/s' | 'MIPS' | 'IOPS' | 'packets/s' | 'updates/s' | '% kept' | 'updates';
const MORE_IS_BETTER: readonly Unit[] = ['MB/s', 'MIPS', 'IOPS', 'packets/s', 'updates/s', '% kept'];

export interface BenchSuite {
  /** For --help. */
  description: string;
  measurements: readonly Measurement[];
  /** Once before the runs. */
  prepare?(context: BenchContext): Promise<void>;
  /** One run on one peer; the caller interleaves them. */
  run(context: BenchContext, peer: Peer): Promise<void>;
}

export interface Row extends Measurement {
  suite: string;
  /** By the peer's name, in the order measured. */
  values: Map<string, number[]>;
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** How many times as fast, or as sparing, as the measure; undefined where one of them was not measured, and of what is nothing in both. */
export function ratio(row: Row, peer: string, measure: string): number | undefined {
  const [ours, theirs] = [row.values.get(peer), row.values.get(measure)];
  if (!ours || !theirs || row.unit === 'updates') return undefined;
  return MORE_IS_BETTER.includes(row.unit) ? median(ours) / median(theirs) : median(theirs) / median(ours);
}

/** Medians and ratios to the first of the peers, with the geometric means of each suite: over its integer programs, and over all. */
export function formatRows(rows: Row[], peers: readonly string[]): string {
  const [measure = '', ...others] = peers;
  const columns = (row: Row): string[] => [
    formatValue(row, measure),
    ...others.flatMap((peer) => [formatValue(row, peer), ratio(row, peer, measure)?.toFixed(2) ?? '-']),
  ];
  const lines = rows.map((row) => [row.suite, row.name, row.kind, row.unit, ...columns(row)]);
  for (const suite of new Set(rows.map((row) => row.suite))) {
    const timed = rows.filter((row) => row.suite === suite && row.unit !== '% of a core');
    for (const kind of ['integer', undefined] as const) {
      const chosen = timed.filter((row) => kind === undefined || row.kind === kind);
      const means = others.map((peer) => geometricMean(chosen.flatMap((row) => ratio(row, peer, measure) ?? [])));
      if (means.every((mean) => mean === undefined)) continue;
      const cells = means.flatMap((mean) => ['', mean?.toFixed(2) ?? '-']);
      lines.push([suite, 'geometric mean', kind ?? 'all', '', '', ...cells]);
    }
  }
  const heads = ['suite', 'what', 'kind', 'unit', measure, ...others.flatMap((peer) => [peer, 'ratio'])];
  return formatTable(
    [heads, ...lines],
    heads.flatMap((_, column) => (column >= 4 ? [column] : [])),
  );
}

function formatValue({ values, unit }: Row, peer: string): string {
  const measured = values.get(peer);
  return measured ? median(measured).toFixed(unit === 's' ? 3 : 1) : '-';
}

/** Of at least two. */
function geometricMean(ratios: number[]): number | undefined {
  return ratios.length > 1 ? Math.exp(ratios.reduce((sum, value) => sum + Math.log(value), 0) / ratios.length) : undefined;
}
