import type { CreateDiskOptions } from '../../index';
import type { DISK_CREATE } from '../commands/disk';
import type { OptionValues } from '../option-parser';
import { UsageError } from '../usage-error';
import { parsePower } from './arguments';

/** What a new qcow2 image may be asked for, by create and convert. */
type Given = Pick<
  OptionValues<(typeof DISK_CREATE)['options']>,
  'format' | 'cluster-size' | 'extended-l2' | 'lazy-refcounts' | 'refcount-bits' | 'compat'
>;
type Creation = Pick<CreateDiskOptions, 'clusterSize' | 'extendedL2' | 'lazyRefcounts' | 'refcountBits' | 'version'>;

export function creationOptions(values: Given, format: 'raw' | 'qcow2'): Creation {
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
