import type { DefaultGuest } from '../../engine/images/default-guest';
import { formatTable } from '../../engine/cli/table';
import type { Peer } from './peers';

/** What a suite is given, and where it puts what it measures. */
export interface BenchContext {
  guest: DefaultGuest;
  /** A folder for what it makes; removed afterwards. */
  folder: string;
  record: (peer: Peer, name: string, unit: Unit, value: number) => void;
  /** Tell whoever watches what happens now. */
  say: (message: string) => void;
}

/** Of each, less is better. */
export type Unit = 's' | '% of a core';

export interface BenchSuite {
  /** For --help. */
  description: string;
  /** Once before the runs. */
  prepare?(context: BenchContext): Promise<void>;
  /** One run on one peer; the caller interleaves them. */
  run(context: BenchContext, peer: Peer): Promise<void>;
}

export interface Row {
  suite: string;
  name: string;
  unit: Unit;
  qemu: number[];
  hartbox: number[];
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** How many times as fast as QEMU; undefined where one of them was not measured. */
export function ratio({ qemu, hartbox }: Row): number | undefined {
  return qemu.length > 0 && hartbox.length > 0 ? median(qemu) / median(hartbox) : undefined;
}

/** Medians and ratios (above 1: faster than QEMU), with the geometric mean of the ratios of each suite that has several in seconds. */
export function formatRows(rows: Row[]): string {
  const number = (values: number[], unit: Unit): string => (values.length > 0 ? median(values).toFixed(unit === 's' ? 3 : 1) : '-');
  const lines = rows.map((row) => [
    row.suite,
    row.name,
    row.unit,
    number(row.qemu, row.unit),
    number(row.hartbox, row.unit),
    ratio(row)?.toFixed(2) ?? '-',
  ]);
  for (const suite of new Set(rows.map((row) => row.suite))) {
    const ratios = rows.filter((row) => row.suite === suite && row.unit === 's').flatMap((row) => ratio(row) ?? []);
    if (ratios.length > 1) {
      const mean = Math.exp(ratios.reduce((sum, value) => sum + Math.log(value), 0) / ratios.length);
      lines.push([suite, 'geometric mean', '', '', '', mean.toFixed(2)]);
    }
  }
  return formatTable([['suite', 'what', 'unit', 'QEMU', 'Hartbox', 'ratio'], ...lines], [3, 4, 5]);
}
