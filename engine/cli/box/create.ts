import { dataDirectory } from '../../host/data-directory';
import { ImageStore } from '../../catalogue/image-store';
import { createImageBox } from '../../catalogue/image-box';
import type { BoxSeed } from '../../images/seed/box-seed';
import { Library, type NewDisk } from '../../runner/library';
import { checkSettings } from '../../settings/problem';
import { type BoxValuesInput, boxValuesSchema } from '../../settings/settings';
import { CREATE } from '../commands/library';
import { givenValues, usable } from '../given-values';
import { fetching } from '../image';
import { expectNames, parseArguments } from '../option-parser';
import { parseSize } from '../quantities';
import { UsageError } from '../usage-error';
import { keyed } from './get';
import { givenSeed, type SeedOptions } from './image-box';
import { sayMade } from './made-box';

/** `hartbox create`: make a box. */
export async function create(args: string[]): Promise<number> {
  const { values: own, settings, names } = parseArguments(CREATE, args);
  expectNames(CREATE, names, ['a NAME']);
  const values = givenValues(new Map([...settings, [keyed('name'), names]]), own.cdrom, 'create');
  usable('create', () => checkSettings(boxValuesSchema, values, ''));
  const disk = own.disk === undefined ? undefined : parseNewDisk(own.disk);
  const library = new Library(dataDirectory());
  if (own.image !== undefined) return createOfImage(library, own.image, values, own, disk);
  const needless = SEED_OPTIONS.find((name) => own[name] !== undefined);
  if (needless !== undefined) throw new UsageError(`--${needless} is of use only together with --image.`, 'create');
  return sayMade(library, await library.create(values, { ...(disk && { disk }) }), own.json ?? false);
}

const SEED_OPTIONS = ['user', 'password-file', 'ssh-key', 'hostname', 'timezone', 'locale'] as const;

async function createOfImage(
  library: Library,
  id: string,
  values: BoxValuesInput,
  own: SeedOptions & { json?: boolean | undefined },
  disk: NewDisk | undefined,
): Promise<number> {
  if (disk?.format !== undefined) throw new UsageError('--disk expects a SIZE alone together with --image.', 'create');
  const store = new ImageStore(dataDirectory());
  const { entry } = await store.find(id);
  // Before anything is fetched.
  const seed = await givenSeed(entry, values.name ?? '', own);
  return fetching(store, id, { update: false, log: false }, async (image) => {
    const box = await createImageBox(library, entry, image, { values, seed, diskSize: disk?.size });
    const code = await sayMade(library, box, own.json ?? false);
    if (!own.json && seed.user !== undefined) process.stdout.write(`${describeUser(seed)}\n`);
    return code;
  });
}

function describeUser({ user, password, sshKeys = [] }: BoxSeed): string {
  const how = password ? 'has the password that you gave' : 'is not asked for a password at the console';
  return `Its user ${user} ${how}${sshKeys.length > 0 ? ', and comes in over the network by SSH key' : ''}.`;
}

/** `20G`, or `20G,format=raw`. */
function parseNewDisk(text: string): NewDisk {
  const [size, ...more] = text.split(',');
  const format = more.length === 0 ? undefined : more.join(',').replace(/^format=/, '');
  if (format !== undefined && format !== 'raw' && format !== 'qcow2')
    throw new UsageError(`--disk expects SIZE or SIZE,format=raw|qcow2, not '${text}'.`, 'create');
  return { size: parseSize('--disk', size), ...(format && { format }) };
}
