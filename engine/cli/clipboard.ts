import { resolve } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { VmError } from '../errors/vm-error';
import { makeFile } from '../host/new-file';
import { CLIPBOARD } from './commands/looking';
import { nothingMore, parseBoxCommand, runningBox } from './running-box';
import { UsageError } from './usage-error';

/** Characters of a text that a request carries. */
const TEXT_MAX = 50_000;

/** `hartbox clipboard`. */
export async function clipboard(args: string[]): Promise<number> {
  const { values, name, rest } = parseBoxCommand(CLIPBOARD, args);
  const [task, ...more] = rest;
  const { picture } = values;
  if (task === 'get') {
    nothingMore('clipboard', more);
    await print(name, picture);
  } else if (task === 'set') {
    const given = picture === undefined ? more[0] : undefined;
    nothingMore('clipboard', more.slice(given === undefined ? 0 : 1));
    if (picture === undefined && given === undefined)
      throw new UsageError('Which text is to be put into the clipboard? - takes it from the input.', 'clipboard');
    const text = given === '-' ? await textOf(process.stdin, TEXT_MAX) : given;
    if (text !== undefined && text.length > TEXT_MAX)
      throw new UsageError(`A text of ${TEXT_MAX} characters at most can be put into the clipboard; this one has more.`, 'clipboard');
    const { client } = await runningBox(name);
    await client.call('clipboard-set', { text, pngFile: picture && resolve(picture) });
    client.close();
  } else if (task === 'send') {
    if (more.length === 0) throw new UsageError('Which files are to be sent to the guest?', 'clipboard');
    const { client } = await runningBox(name);
    await client.call('send-files', { files: more.map((file) => resolve(file)) });
    client.close();
  } else
    throw new UsageError(
      `What is to be done with the clipboard: get, set or send${task === undefined ? '' : `, not '${task}'`}?`,
      'clipboard',
    );
  return 0;
}

/** As much of a stream as shows that it is too long. */
async function textOf(stream: NodeJS.ReadStream, most: number): Promise<string> {
  let text = '';
  stream.setEncoding('utf8');
  for await (const piece of stream) {
    text += piece as string;
    if (text.length > most) break;
  }
  return text;
}

async function print(name: string, picture: string | undefined): Promise<void> {
  const { id, client } = await runningBox(name);
  const { text, png } = await client.call('clipboard-get', {});
  client.close();
  if (picture === undefined) {
    if (text === undefined) throw new VmError('State', `There is no text in the clipboard of ${id}${png ? ', but a picture' : ''}.`);
    process.stdout.write(text);
    return;
  }
  if (png === undefined)
    throw new VmError('State', `There is no picture in the clipboard of ${id}${text === undefined ? '' : ', but a text'}.`);
  const bytes = Buffer.from(png, 'base64');
  await makeFile(resolve(picture), (temporary) => writeFile(temporary, bytes), { replace: true });
}
