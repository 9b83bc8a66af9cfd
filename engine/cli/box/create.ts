import { dataDirectory } from '../../host/data-directory';
import { Library, type NewDisk } from '../../runner/library';
import { checkSettings } from '../../settings/problem';
import { boxValuesSchema } from '../../settings/settings';
import { CREATE } from '../commands/library';
import { givenValues, usable } from '../given-values';
import { expectNames, parseArguments } from '../option-parser';
import { parseSize } from '../quantities';
import { UsageError } from '../usage-error';
import { keyed } from './get';
import { sayMade } from './made-box';

/** `hartbox create`: make a box. */
export async function create(args: string[]): Promise<number> {
  const { values: own, settings, names } = parseArguments(CREATE, args);
  expectNames(CREATE, names, ['a NAME']);
  const values = givenValues(new Map([...settings, [keyed('name'), names]]), own.cdrom, 'create');
  usable('create', () => checkSettings(boxValuesSchema, values, ''));
  const disk = own.disk === undefined ? undefined : parseNewDisk(own.disk);
  const library = new Library(dataDirectory());
  return sayMade(library, await library.create(values, { ...(disk && { disk }) }), own.json ?? false);
}

/** `20G`, or `20G,format=raw`. */
function parseNewDisk(text: string): NewDisk {
  const [size, ...more] = text.split(',');
  const format = more.length === 0 ? undefined : more.join(',').replace(/^format=/, '');
  if (format !== undefined && format !== 'raw' && format !== 'qcow2')
    throw new UsageError(`--disk expects SIZE or SIZE,format=raw|qcow2, not '${text}'.`, 'create');
  return { size: parseSize('--disk', size), ...(format && { format }) };
}
