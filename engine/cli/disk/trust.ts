import { allowReferences, imageChain, trustedReferences, withdrawTrust } from '../../index';
import { DISK_TRUST } from '../commands/disk';
import { expectNames, parseArguments } from '../option-parser';
import { UsageError } from '../usage-error';
import { parseFormat } from './arguments';
import { referenceText } from './report';

/** `hartbox disk trust`: allow what an image names outside of its folder, withdraw that, or show all that is allowed. */
export async function trust(args: string[]): Promise<number> {
  const { values, names } = parseArguments(DISK_TRUST, args);
  expectNames(DISK_TRUST, names, ['a FILE?']);
  const print = (text: string, value: unknown): void =>
    void process.stdout.write(values.json ? `${JSON.stringify(value, null, 2)}\n` : text);
  const list = (references: readonly Parameters<typeof referenceText>[0][]): string =>
    references.map((one) => `  ${referenceText(one)}\n`).join('');

  if (names.length === 0) {
    if (values.withdraw) throw new UsageError('disk trust --withdraw expects a FILE.', 'disk trust');
    const trusted = await trustedReferences();
    print(trusted.length > 0 ? `Allowed are:\n${list(trusted)}` : 'Nothing is allowed to any image.\n', trusted);
    return 0;
  }
  const [file] = names;
  if (values.withdraw) {
    const withdrawn = await withdrawTrust(file);
    print(withdrawn.length > 0 ? `No longer allowed:\n${list(withdrawn)}` : `Nothing was allowed to ${file}.\n`, withdrawn);
    return 0;
  }
  const format = parseFormat('--format', values.format);
  const allowed = await allowReferences(await imageChain(file, { format }));
  // What could be looked at only now may name others.
  const more = (await imageChain(file, { format })).filter(({ permission }) => permission === undefined);
  print(
    `${allowed.length > 0 ? `Allowed from now on:\n${list(allowed)}` : more.length > 0 ? '' : `${file} names nothing that it may not use already.\n`}${
      more.length > 0 ? `Not yet allowed, say it again to allow it too:\n${list(more)}` : ''
    }`,
    { allowed, more },
  );
  return 0;
}
