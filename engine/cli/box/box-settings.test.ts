import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SETTING_SAMPLES } from '../../../test/support/setting-samples';
import { Library } from '../../runner/library';
import { byPart } from '../../settings/file';
import { commandLineName } from '../../settings/option';
import { type BoxValues, OPTIONS, optionOf } from '../../settings/settings';
import { parseTexts } from '../../settings/text';
import { dispatch } from '../dispatch';
import { parseMachineOptions } from '../machine-options';
import { UsageError } from '../usage-error';

let home: string;
let library: Library;
let output = '';
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hartbox-settings-'));
  vi.stubEnv('HARTBOX_HOME', home);
  library = new Library(home);
  output = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await rm(home, { recursive: true, force: true });
});

const SAMPLES = OPTIONS.map((option) => ({ option, ...SETTING_SAMPLES[option.key as keyof BoxValues] }));
const options = (name: string, texts: readonly string[]): string[] => texts.map((text) => `--${name}=${text}`);
/** As text on the command line, each with its option. */
function besides(values: object = {}): string[] {
  return Object.entries(values).flatMap(([key, value]) => [`--${commandLineName(optionOf(key) ?? OPTIONS[0])}`, String(value)]);
}
async function make(...args: string[]): Promise<string> {
  output = '';
  expect(await dispatch(['create', ...args, '--json'])).toBe(0);
  return (JSON.parse(output) as { id: string }).id;
}
async function writeFileOf(id: string, values: Record<string, unknown>): Promise<void> {
  await writeFile(library.configFile(id), JSON.stringify({ version: 2, ...byPart(values) }));
}
const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('every setting', () => {
  it.each(SAMPLES.map((sample) => [sample.option.key, sample] as const))(
    '%s has the same value by create, set and file',
    async (key, sample) => {
      const name = commandLineName(sample.option);
      for (const { texts, value, beside } of sample.good) {
        const created = key === 'name' ? await make(texts[0]) : await make('A', ...options(name, texts), ...besides(beside));
        const id = await make('A');
        await writeFileOf(id, { name: 'A', ...beside, [key]: value });
        const expected = (await library.settings(id)).values;
        expect(expected, 'in the file').toMatchObject({ [key]: value });
        const ways = [options(name, texts), texts.map((text) => `${key}=${text}`)];
        for (const way of ways) {
          await writeFileOf(id, { name: 'A' });
          await dispatch(['set', id, ...way, ...besides(beside)]);
          expect((await library.settings(id)).values, way.join(' ')).toEqual(expected);
        }
        expect((await library.settings(created)).values, texts.join(' ')).toEqual(expected);
      }
    },
  );

  it.each(SAMPLES.map((sample) => [sample.option.key, sample] as const))(
    '%s is refused in the same words by create, set and file',
    async (key, sample) => {
      const name = commandLineName(sample.option);
      const id = await make('A');
      const before = await readFile(library.configFile(id), 'utf8');
      for (const texts of sample.bad) {
        const failures = [
          await failureOf(dispatch(['set', id, ...options(name, texts)])),
          await failureOf(dispatch(['set', id, ...texts.map((text) => `${key}=${text}`)])),
          await failureOf(dispatch(key === 'name' ? ['create', texts[0]] : ['create', 'B', ...options(name, texts)])),
        ];
        const [first] = failures as UsageError[];
        for (const failure of failures as UsageError[]) {
          expect(failure, texts.join(' ')).toBeInstanceOf(UsageError);
          expect(failure.message).toBe(first.message);
        }
        if (sample.option.part !== 'app' && key !== 'console')
          for (const command of ['run', 'exec'] as const)
            expect(() => parseMachineOptions(command, options(name, texts))).toThrow(first.message);
        expect(await readFile(library.configFile(id), 'utf8')).toBe(before);
        await writeFileOf(id, { name: 'A', [key]: parseTexts(sample.option, texts) });
        expect(((await failureOf(library.settings(id))) as Error).message).toContain(` ${first.message} `);
        await writeFile(library.configFile(id), before);
      }
    },
  );

  it.each(OPTIONS.map(({ key }) => key))('%s is shown by get, and unset goes back to its default', async (key) => {
    const [{ texts, beside }] = SETTING_SAMPLES[key as keyof BoxValues].good;
    const id = await make('A');
    await dispatch(['set', id, ...texts.map((text) => `${key}=${text}`), ...besides(beside)]);
    const show = async (): Promise<{ value: unknown; default: unknown; set: boolean }> => {
      output = '';
      expect(await dispatch(['get', id, key, '--json'])).toBe(0);
      return JSON.parse(output);
    };
    expect((await show()).set).toBe(true);
    if (key === 'kernel') await dispatch(['set', id, '--unset', 'kernel,source']);
    else await dispatch(['set', id, '--unset', key]);
    const after = await show();
    if (key !== 'source') expect(after.set).toBe(false);
    expect(after.value).toEqual(after.default);
  });
});

describe('hartbox get and set', () => {
  it('shows all settings part by part', async () => {
    const id = await make('A', '--memory', '1G');
    output = '';
    await dispatch(['get', id]);
    expect(output).toMatch(/^hardware\n {2}memory +set +1G\n {2}harts +default +1\n/);
    for (const { key } of OPTIONS) expect(output).toMatch(new RegExp(`^ {2}${key} `, 'm'));
    output = '';
    await dispatch(['get', id, 'memory']);
    expect(output).toBe('1G\n');
  });

  it('says what changed, and what waits for the next start', async () => {
    const id = await make('A');
    output = '';
    await dispatch(['set', id, 'harts=2', 'notes=x']);
    expect(output).toBe('harts: 2 (was 1)\nnotes: x (was nothing)\n');
    output = '';
    await dispatch(['set', id, 'harts=2']);
    expect(output).toMatch(/Nothing to change/);
    const lock = await library.lock(id, 'a test');
    const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    await dispatch(['set', id, 'harts=3', 'name=B']);
    expect(told.mock.calls.join('')).toMatch(/^hartbox: The box runs. .*: harts\.\n$/);
    await lock.release();
  });

  it('makes paths absolute', async () => {
    const id = await make('A', '--drive', 'file=a.qcow2', '--cdrom', 'b.iso', '--firmware', 'edk2', '--fw-cfg', 'name=opt/a,file=c');
    await dispatch(['set', id, 'flashVars=vars.fd']);
    expect((await library.settings(id)).set).toMatchObject({
      drives: [{ file: join(process.cwd(), 'a.qcow2') }, { file: join(process.cwd(), 'b.iso'), media: 'cdrom' }],
      flashVars: join(process.cwd(), 'vars.fd'),
      firmware: 'edk2',
      fwCfg: [{ name: 'opt/a', file: join(process.cwd(), 'c') }],
    });
    expect(parseMachineOptions('run', ['--kernel', 'Image']).options.config.kernel).toBe(join(process.cwd(), 'Image'));
  });

  it.each([
    [['set'], /expects a BOX/],
    [['set', 'a'], /expects what to change/],
    [['set', 'a', 'memory'], /expects KEY=VALUE, not 'memory'/],
    [['set', 'a', 'hart=2'], /hart: there is no such option; did you mean harts\?/],
    [['set', 'a', 'harts=2', '--unset', 'harts'], /either set or unset/],
    [['set', 'a', '--unset', 'nonsense'], /nonsense: there is no such option\./],
    [['set', 'a', 'source=kernel'], /kernel is needed to start from a kernel/],
    [['get', 'a', 'mem'], /there is no such option/],
    [['get'], /expects a BOX/],
    [['create'], /expects a NAME/],
    [['create', 'a', '--disk', 'huge'], /--disk expects a size/],
    [['create', 'a', '--disk', '1G,vmdk'], /format=raw\|qcow2/],
    [['delete', 'a'], /say --yes/],
  ])('explains what is wrong with %j', async (args, message) => {
    await make('a');
    const failure = await failureOf(dispatch(args));
    expect(failure).toBeInstanceOf(UsageError);
    expect((failure as Error).message).toMatch(message);
  });
});

describe('boxes', () => {
  it('are made with a disk, listed, renamed, deleted, restored and purged', async () => {
    const id = await make('My box', '--disk', '2G,format=raw', '--harts', '2');
    expect(id).toBe('my-box');
    await dispatch(['rename', id, 'Other']);
    const boxes = async (): Promise<Record<string, unknown>[]> => {
      output = '';
      await dispatch(['list', '--json']);
      return JSON.parse(output);
    };
    expect((await boxes()).find((box) => box['id'] === id)).toMatchObject({
      name: 'Other',
      state: 'stopped',
      harts: 2,
      drives: [join(library.folder(id), 'disk.img')],
    });
    output = '';
    expect(await dispatch(['delete', 'other', '--yes'])).toBe(0);
    const [, restore] = /To have it back: hartbox (trash restore \S+)\n/.exec(output) ?? [];
    expect(await boxes()).toHaveLength(1);
    output = '';
    await dispatch(['trash', 'list']);
    expect(output).toMatch(/^ID .*\nmy-box-\S+ +Other /);
    expect(await dispatch(restore.split(' '))).toBe(0);
    expect(await boxes()).toHaveLength(2);
    await dispatch(['delete', id, '--yes']);
    expect(await dispatch(['trash', 'empty', 'Other', '--yes'])).toBe(0);
    await expect(dispatch(['trash', 'restore', 'Other'])).rejects.toThrow(/no box "Other" in the trash. It is empty/);
  });

  it('are copied, exported and imported', async () => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const id = await make('Origin', '--disk', '10M', '--harts', '3');
    const made = async (...args: string[]): Promise<string> => {
      output = '';
      expect(await dispatch([...args, '--json'])).toBe(0);
      return (JSON.parse(output) as { id: string }).id;
    };
    const file = join(home, 'box.hartbox');
    const copies = [await made('clone', id, 'Copy'), await made('clone', 'Origin', '--linked')];
    expect(await dispatch(['export', id, file])).toBe(0);
    await expect(dispatch(['export', id, file])).rejects.toThrow();
    expect(await dispatch(['export', id, file, '--force'])).toBe(0);
    copies.push(await made('import', file), await made('import', file, '--name', 'Back'));
    const names = await Promise.all(copies.map(async (copy) => (await library.settings(copy)).values));
    expect(names.map(({ name }) => name)).toEqual(['Copy', 'Origin copy', 'Origin 2', 'Back']);
    expect(names.map(({ harts }) => harts)).toEqual([3, 3, 3, 3]);
    await expect(dispatch(['clone', id, ''])).rejects.toThrow("name: expected text of 1 to 64 characters, not ''.");
  });
});

it('create says so where another box has the same name already', async () => {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  await make('Work');
  expect(write).not.toHaveBeenCalled();
  await make('work');
  expect(write.mock.calls.join('')).toBe('hartbox: another box is called work too: they are work, work-2 to commands.\n');
});
