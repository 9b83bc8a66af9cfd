import type { CreateDiskOptions } from '../../index';
import type { OptionTable, OptionValues } from '../option-parser';
import { UsageError } from '../usage-error';
import { parsePower } from './arguments';

/** What a new qcow2 image may be asked for, by create and convert. */
export const CREATION_OPTIONS = {
  format: { type: 'string', short: 'f' },
  'cluster-size': { type: 'string' },
  'extended-l2': { type: 'boolean' },
  'lazy-refcounts': { type: 'boolean' },
  'refcount-bits': { type: 'string' },
  compat: { type: 'string' },
} as const satisfies OptionTable;

type Creation = Pick<CreateDiskOptions, 'clusterSize' | 'extendedL2' | 'lazyRefcounts' | 'refcountBits' | 'version'>;

export function creationOptions(values: OptionValues<typeof CREATION_OPTIONS>, format: 'raw' | 'qcow2'): Creation {
  const { compat, ...others } = values;
  const given = Object.keys(others).find((name) => name !== 'format') ?? (compat === undefined ? undefined : 'compat');
  if (format === 'raw' && given !== undefined) throw new UsageError(`--${given} is of use for qcow2 images only.`);
  if (compat !== undefined && compat !== '2' && compat !== '3') throw new UsageError(`--compat expects 2 or 3, not '${compat}'.`);
  return {
    clusterSize: parsePower('--cluster-size', values['cluster-size']),
    extendedL2: values['extended-l2'],
    lazyRefcounts: values['lazy-refcounts'],
    refcountBits: parsePower('--refcount-bits', values['refcount-bits']),
    version: compat === undefined ? undefined : compat === '2' ? 2 : 3,
  };
}
