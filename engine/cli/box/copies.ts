import { resolve } from 'node:path';
import { dataDirectory } from '../../host/data-directory';
import { Library } from '../../runner/library';
import { CLONE, EXPORT, IMPORT } from '../commands/library';
import { givenValues } from '../given-values';
import { interruptible } from '../interruption';
import { expectNames, parseArguments } from '../option-parser';
import { keyed } from './get';
import { sayMade } from './made-box';

/** `hartbox clone`. */
export async function clone(args: string[]): Promise<number> {
  const { values: own, names } = parseArguments(CLONE, args);
  expectNames(CLONE, names, ['a BOX', 'a NAME?']);
  const [box, name] = names;
  if (name !== undefined) givenValues(new Map([[keyed('name'), [name]]]), undefined, 'clone');
  const library = new Library(dataDirectory());
  const { id } = await library.find(box);
  return interruptible('Copying', 'stopped; there is no new box.', async (options) =>
    sayMade(
      library,
      await library.clone(id, { linked: own.linked ?? false, ...(name !== undefined && { name }), ...options }),
      own.json ?? false,
    ),
  );
}

/** `hartbox export`. */
export async function exportBox(args: string[]): Promise<number> {
  const { values: own, names } = parseArguments(EXPORT, args);
  expectNames(EXPORT, names, ['a BOX', 'the name of the new FILE']);
  const [box, file] = names;
  const library = new Library(dataDirectory());
  const { id } = await library.find(box);
  return interruptible('Exporting', `stopped; ${file} is as it was.`, async (options) => {
    await library.export(id, resolve(file), { replace: own.force ?? false, ...options });
    process.stderr.write(`${file} has the box now.\n`);
    return 0;
  });
}

/** `hartbox import`. */
export async function importBox(args: string[]): Promise<number> {
  const { values: own, settings, names } = parseArguments(IMPORT, args);
  expectNames(IMPORT, names, ['a FILE']);
  const { name } = givenValues(settings, undefined, 'import');
  const library = new Library(dataDirectory());
  return interruptible('Importing', 'stopped; there is no new box.', async (options) =>
    sayMade(library, await library.import(resolve(names[0]), { ...(name !== undefined && { name }), ...options }), own.json ?? false),
  );
}
