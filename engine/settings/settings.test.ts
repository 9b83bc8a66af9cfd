import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VmError } from '../errors/vm-error';
import { readSettings, writeSettings } from './file';
import { commandLineName, PAGES } from './option';
import { checkSettings } from './problem';
import { type BoxValuesInput, OPTIONS, boxValuesSchema, machineConfig, machineConfigSchema, optionOf } from './settings';
import { formatSize, formatTexts, parseSize, parseTexts } from './text';

const option = (key: string): (typeof OPTIONS)[number] => {
  const found = optionOf(key);
  if (!found) throw new Error(`no option ${key}`);
  return found;
};
const check = (values: unknown): unknown => checkSettings(boxValuesSchema, values, '');
const messageOf = (values: unknown): string => {
  try {
    check(values);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
};
const asIs = (path: string): string => path;

describe('the description of settings', () => {
  it('has one name for each option, on the command line too', () => {
    expect(new Set(OPTIONS.map(({ key }) => key)).size).toBe(OPTIONS.length);
    expect(new Set(OPTIONS.map(commandLineName)).size).toBe(OPTIONS.length);
    const letters = OPTIONS.flatMap(({ cli }) => cli?.short ?? []);
    expect(new Set(letters).size).toBe(letters.length);
  });

  it.each(OPTIONS.map((one) => [one.key, one] as const))('%s stands on a page, says what it is, and takes its own default', (_key, one) => {
    expect(PAGES).toContain(one.page);
    expect(one.label).toMatch(/^[A-Z]/);
    expect(one.help).not.toMatch(/\.$/);
    if (one.default !== undefined) expect(one.schema.safeParse(one.default).success).toBe(true);
    for (const choice of Object.keys(one.choices ?? {})) {
      const value = parseTexts(one, [choice]);
      expect(one.schema.safeParse(value).success, choice).toBe(true);
    }
    const recommended = one.recommended?.({ memory: 8 * 2 ** 30, processors: 2 });
    if (recommended !== undefined) expect(one.schema.safeParse(recommended).success).toBe(true);
  });

  it('recommends what every host can give', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2 ** 28, max: 2 ** 45 }), fc.integer({ min: 1, max: 512 }), (memory, processors) =>
        OPTIONS.every((one) => one.recommended === undefined || one.schema.safeParse(one.recommended({ memory, processors })).success),
      ),
    );
  });

  it('says how a kernel, a disk and a program are started', () => {
    expect(check({ kernel: '/Image' })).toMatchObject({ source: 'kernel' });
    expect(check({ kernel: '/a.elf', firmware: 'none' })).toMatchObject({ source: 'elf' });
    expect(check({ firmware: 'edk2' })).toMatchObject({ source: 'disk' });
    expect(check({})).toMatchObject({ source: 'linux', memory: 512 * 2 ** 20 });
    expect(machineConfigSchema.parse(machineConfig({ notes: 'x', kernel: '/k', harts: 3 }))).toMatchObject({ harts: 3, source: 'kernel' });
  });

  it('has the device on that something was said about, unless it was said that it is off', () => {
    expect(check({ aiModels: '/m', microphoneFile: '/a.wav', semihostingArguments: 'a b' })).toMatchObject({
      ai: true,
      sound: true,
      semihosting: true,
    });
    expect(check({ aiModels: '/m', ai: false })).toMatchObject({ ai: false });
    expect(check({ aiSeconds: 60, semihostingArguments: '' })).toMatchObject({ ai: false, semihosting: false });
    for (const { key, turnsOn } of OPTIONS) if (turnsOn !== undefined) expect([key, option(turnsOn).kind]).toEqual([key, 'switch']);
  });

  it.each([
    [{ memory: 8 * 2 ** 20 }, "memory: expected a size from 16M to 3840M in whole M, not '8M'."],
    [{ memory: 'much' }, "memory: expected a size from 16M to 3840M in whole M, not 'much'."],
    [{ harts: 17 }, "harts: expected a whole number from 1 to 16, not '17'."],
    [{ aia: 'apic' }, "aia: expected none, aplic or aplic-imsic, not 'apic'."],
    [{ jit: 'perhaps' }, "jit: expected on or off, not 'perhaps'."],
    [{ console: { columns: 0 } }, "console: expected columns and rows, each from 1 to 1000, such as 80x24, not '0x?'."],
    [{ name: '' }, "name: expected text of 1 to 64 characters, not ''."],
    [{ hart: 2 }, 'hart: there is no such option; did you mean harts?'],
    [{ nonsense: 2 }, 'nonsense: there is no such option.'],
    [{ drives: [{}] }, 'drives.0.file: expected the path of a file, but there is none.'],
    [{ drives: [{ file: 'a', format: 'vmdk' }] }, "drives.0.format: expected auto, raw or qcow2, not 'vmdk'."],
    [{ drives: [{ file: 'a', readonyl: true }] }, 'drives.0.readonyl: there is no such option; did you mean readonly?'],
    [{ source: 'kernel' }, 'kernel is needed to start from a kernel: name its file.'],
    [
      { source: 'linux', kernel: '/x' },
      'kernel is of no use when the box starts from linux: set source to kernel or elf, or leave it out.',
    ],
    [
      { source: 'disk', firmware: 'opensbi' },
      'firmware cannot be opensbi when the box starts from a disk: that takes uboot or edk2, or a flashCode.',
    ],
    [
      {
        drives: [
          { file: 'a', id: 'x' },
          { file: 'b', id: 'x' },
        ],
      },
      'drives has two drives named x: give one of them another id.',
    ],
  ])('of %j says what was expected', (values, message) => {
    expect(messageOf(values)).toBe(message);
  });
});

describe('settings as text', () => {
  const drive = fc.record(
    {
      file: fc.string({ minLength: 1 }),
      interface: fc.constantFrom('virtio', 'scsi'),
      readonly: fc.boolean(),
      serial: fc.string({ maxLength: 20 }),
      blockSize: fc.constantFrom(512, 4096),
      queues: fc.integer({ min: 1, max: 16 }),
    },
    { requiredKeys: ['file'] },
  );
  const values: Record<string, fc.Arbitrary<unknown>> = {
    memory: fc.integer({ min: 16, max: 3840 }).map((n) => n * 2 ** 20),
    harts: fc.integer({ min: 1, max: 16 }),
    drives: fc.array(drive, { maxLength: 4 }),
    jit: fc.boolean(),
    console: fc.record({ columns: fc.integer({ min: 1, max: 1000 }), rows: fc.integer({ min: 1, max: 1000 }) }),
    virtio: fc.uniqueArray(fc.constantFrom('packed', 'in-order')),
    append: fc.string(),
    fwCfg: fc.array(fc.record({ name: fc.constantFrom('opt/a', 'opt/b/c'), text: fc.string() }), { maxLength: 3 }),
  };
  /** What a text says of drives: all but what each has in any case. */
  const told = (drives: object[]): object[] =>
    drives.map((one) => Object.fromEntries(Object.entries(one).filter(([key, value]) => value !== usual[key as keyof typeof usual])));
  const usual = { readonly: false, blockSize: 512 };
  it.each(Object.entries(values))('%s comes back from its text as it was', (key, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, (value) => {
        expect(parseTexts(option(key), formatTexts(option(key), value))).toEqual(key === 'drives' ? told(value as object[]) : value);
      }),
    );
  });

  it('knows sizes', () => {
    expect(['512M', '512', '1.5GiB', '65536K', '2 g'].map((text) => parseSize(text))).toEqual([
      2 ** 29,
      2 ** 29,
      1.5 * 2 ** 30,
      2 ** 26,
      2 ** 31,
    ]);
    expect(['', 'x', '1Q', '-1', '1e9'].map((text) => parseSize(text))).toEqual([undefined, undefined, undefined, undefined, undefined]);
    fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (bytes) => parseSize(formatSize(bytes)) === bytes || bytes % 512 !== 0));
  });

  it('never fails on any text', () => {
    fc.assert(
      fc.property(fc.constantFrom(...OPTIONS), fc.array(fc.string(), { maxLength: 3 }), (one, texts) => {
        const value = parseTexts(one, texts);
        one.schema.safeParse(value);
        formatTexts(one, value);
        messageOf({ [one.key]: value });
      }),
    );
  });
});

describe('the settings file', () => {
  it('comes back as it was written, with paths relative where they lie inside', () => {
    const set: BoxValuesInput = {
      name: 'A',
      memory: 2 ** 30,
      kernel: '/box/Image',
      drives: [{ file: '/box/disk.qcow2' }, { file: '/else/b.img' }],
      fwCfg: [{ name: 'opt/a', file: '/box/a' }],
    };
    const text = writeSettings(set, (path) => path.replace(/^\/box\//, ''));
    expect(JSON.parse(text)).toEqual({
      version: 2,
      hardware: { memory: 2 ** 30, drives: [{ file: 'disk.qcow2' }, { file: '/else/b.img' }], fwCfg: [{ name: 'opt/a', file: 'a' }] },
      boot: { source: 'kernel', kernel: 'Image' },
      host: {},
      app: { name: 'A' },
    });
    const read = readSettings(text, 'x', (path) => (path.startsWith('/') ? path : `/box/${path}`));
    expect(read.set).toEqual({ ...set, source: 'kernel' });
    expect(read.values).toMatchObject({ harts: 1, firmware: 'auto' });
  });

  it.each([
    [{ name: 'L' }, { source: 'linux' }],
    [
      { name: 'K', kernel: '/k', firmware: 'default' },
      { source: 'kernel', firmware: 'opensbi' },
    ],
    [
      { name: 'D', firmware: 'edk2', drives: [{ file: '/d' }] },
      { source: 'disk', firmware: 'edk2' },
    ],
    [
      { name: 'E', kernel: '/e', firmware: 'none' },
      { source: 'elf', firmware: 'none' },
    ],
  ])('of version 1, %j, is understood', (machine, expected) => {
    const read = readSettings(JSON.stringify({ version: 1, machine }), 'x', asIs);
    expect(read.values).toMatchObject({ name: machine.name, ...expected });
    expect(read.version).toBe(1);
  });

  it.each([
    ['{', /damaged: they are not JSON/],
    ['{"version":3}', /written by a newer Hartbox \(version 3; this one knows 2\). Update Hartbox/],
    ['{"version":2,"hardware":{"memory":1}}', /memory: expected a size from 16M/],
    ['{"version":2,"hardware":{"name":"x"}}', /hardware.name: this option stands in app/],
    ['{"version":2,"more":{}}', /not valid/],
    ['[]', /not valid/],
    ['{"version":1}', /^$/],
  ])('%s is refused with what to do', (text, message) => {
    let said = '';
    try {
      readSettings(text, 'x', asIs);
    } catch (error) {
      expect(error).toBeInstanceOf(VmError);
      said = (error as VmError).message;
    }
    expect(said).toMatch(message);
  });

  it('of any content is read or refused', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.jsonValue().map((machine) => JSON.stringify({ version: 1, machine })),
          fc.jsonValue().map((hardware) => JSON.stringify({ version: 2, hardware })),
        ),
        (text) => {
          try {
            readSettings(text, 'x', asIs);
          } catch (error) {
            expect(error).toBeInstanceOf(VmError);
          }
        },
      ),
    );
  });
});
