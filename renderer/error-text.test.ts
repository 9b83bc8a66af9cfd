import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mount } from '@vue/test-utils';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { defineComponent, h, nextTick, ref } from 'vue';
import { REFUSAL_CODES } from '../engine/errors/system-error';
import type { ErrorReport } from '../engine/runner/control';
import type { Locale } from '../main/contract';
import { useErrorText } from './error-text';
import { createTranslations, errorLocales } from './translations';

const root = join(import.meta.dirname, '..');
const others = (['de', 'zh-CN'] as const).map((locale) => [locale, errorLocales[locale]] as const);
/** Those of a zod issue, and those of settings, which option-texts.test.ts has. */
const isOther = (code: string): boolean => code === 'custom' || code.startsWith('setting-');
/** What is spread into params: the holder of a lock (LockHolder), and what imageError() adds. */
const HOLDER = ['program', 'pid', 'computer'];
const IMAGE = ['what', 'path'];

interface Found {
  /** By code, the params that come with it wherever it stands. */
  codes: Map<string, Set<string>>;
  /** Things that have words of their own: what is read, what could not be done. */
  things: Set<string>;
}

/** All `code: '…'` of errors in the sources, with the keys of the `params` beside them. */
function find(): Found {
  const found: Found = { codes: new Map(), things: new Set() };
  const files = ['engine', 'main'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  );
  for (const file of files) {
    // What the command line says comes to no window.
    if (!/(?<!\.test|\.d)\.ts$/.test(file) || /^engine[\\/]cli[\\/]/.test(file)) continue;
    const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      if (ts.isObjectLiteralExpression(node)) addCodes(node, found.codes);
      if (ts.isCallExpression(node)) addThing(node, found.things);
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return found;
}

function addCodes(node: ts.ObjectLiteralExpression, codes: Found['codes']): void {
  const values = new Map(node.properties.filter(ts.isPropertyAssignment).map((one) => [one.name.getText(), one.initializer]));
  const given = values.get('params');
  const params = given && ts.isObjectLiteralExpression(given) ? given.properties.flatMap(paramsOf) : [];
  const call = node.parent;
  if (ts.isCallExpression(call) && call.expression.getText() === 'imageError' && call.arguments[0].getText() !== 'path')
    params.push(...IMAGE);
  for (const code of literals(values.get('code'))) {
    if (isOther(code)) continue;
    const before = codes.get(code);
    codes.set(code, new Set(before ? params.filter((name) => before.has(name)) : params));
  }
}

function paramsOf(property: ts.ObjectLiteralElementLike): string[] {
  if (!ts.isSpreadAssignment(property)) return [property.name.getText()];
  return property.expression.getText().endsWith('.names') ? HOLDER : [];
}

function literals(node: ts.Expression | undefined): string[] {
  if (!node) return [];
  if (ts.isConditionalExpression(node)) return [...literals(node.whenTrue), ...literals(node.whenFalse)];
  return ts.isStringLiteral(node) ? [node.text] : [];
}

function addThing({ expression, arguments: given }: ts.CallExpression, things: Set<string>): void {
  const at = ({ inWords: 1, readImageFile: 0 } as Record<string, number | undefined>)[expression.getText()];
  const thing = at === undefined ? undefined : given[at];
  if (thing && ts.isStringLiteral(thing)) things.add(thing.text.toLowerCase().replaceAll(' ', '-'));
}

const placeholders = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);

describe('errors in the languages of the window', () => {
  const { codes, things } = find();

  it.each(others)('have texts in %s for every code, and for no others', (_locale, { error }) => {
    expect(codes.size).toBeGreaterThan(100);
    expect(Object.keys(error).sort()).toEqual([...new Set([...codes.keys(), ...REFUSAL_CODES])].sort());
  });

  it.each(others)('use in %s only what comes with the error', (_locale, { error }) => {
    const unknown = Object.entries(error).flatMap(([code, text]) =>
      placeholders(text)
        .filter((name) => !(codes.get(code)?.has(name) ?? name === 'what'))
        .map((name) => `${code}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });

  it.each(others)('name in %s the same things, and why the host refused', (_locale, { word }) => {
    const keys = (words: typeof word): string[] =>
      Object.entries(words).flatMap(([name, texts]) => Object.keys(texts).map((key) => `${name}.${key}`));
    expect(keys(word)).toEqual(keys(errorLocales.de.word));
    expect(things.size).toBeGreaterThan(5);
    expect(Object.keys(word['what'])).toEqual(expect.arrayContaining([...things]));
    expect(Object.keys(word['reason'])).toEqual(expect.arrayContaining(REFUSAL_CODES.map((code) => code.toLowerCase())));
  });

  it.each<[Locale, string]>([
    ['de', 'Kernel /k: Die Datei ist größer als der Speicher der Box (512 MB). Gib der Box mehr Speicher.'],
    ['zh-CN', '内核 /k：文件大于虚拟机的内存（512 MB）。请增加虚拟机的内存。'],
    ['en', 'as it came'],
  ])('are said in %s with their values', async (locale, text) => {
    expect(await say(locale, 'image-too-large', { what: 'kernel', path: '/k', limitBytes: 2 ** 29 })).toBe(text);
  });

  it.each<[string, ErrorReport['params'], string]>([
    ['ENOSPC', { what: '/x y/disk' }, '/x y/disk: die Festplatte ist voll (ENOSPC). Gib Platz frei.'],
    [
      'ENOSPC',
      { what: 'The clone could not be made' },
      'Der Klon konnte nicht angelegt werden: die Festplatte ist voll (ENOSPC). Gib Platz frei.',
    ],
    [
      'disk-not-opened',
      { path: 'a', reason: 'EIO' },
      'Das Festplattenabbild a konnte nicht geöffnet werden: die Festplatte konnte es nicht (EIO).',
    ],
    ['disk-not-opened', { path: 'a', reason: 'other' }, 'Das Festplattenabbild a konnte nicht geöffnet werden: other.'],
    [
      'wrong-state',
      { name: 'A', task: 'shut down', state: 'starting' },
      '„A“: Herunterfahren geht nicht, solange der Zustand „Startet“ ist.',
    ],
    [
      'boot-overlap',
      { what: 'kernel', other: 'device tree' },
      'Kernel und Gerätebaum wollen denselben Speicher. Lege eines davon woandershin, gib der Box mehr Speicher, oder lass eines weg.',
    ],
    ['setting-count', { option: 'harts', min: 1, max: 16 }, 'harts: Erwartet wird eine ganze Zahl von 1 bis 16.'],
    [
      'settings-invalid',
      { path: '/b', problem: 'setting-count', option: 'harts', min: 1, max: 16 },
      'Die Einstellungen der Box in /b sind nicht gültig. harts: Erwartet wird eine ganze Zahl von 1 bis 16. Berichtige die Datei.',
    ],
  ])('name things in German: %s %j', async (code, params, text) => {
    expect(await say('de', code, params)).toBe(text);
  });

  it('read in every language for every code', async () => {
    for (const [locale, { error }] of others) {
      const shown = showing(locale);
      for (const code of Object.keys(error)) {
        const params = Object.fromEntries([...(codes.get(code) ?? ['what'])].map((name) => [name, 'X']));
        expect(await shown(code, params), code).not.toMatch(/[{}@|]|as it came/);
      }
    }
  }, 20_000);
});

/** What the window says of one error after another. */
function showing(locale: Locale): (code: string, params: ErrorReport['params']) => Promise<string> {
  const report = ref<ErrorReport>();
  const show = defineComponent(() => {
    const text = useErrorText();
    return () => h('p', report.value && text(report.value));
  });
  const page = mount(show, { global: { plugins: [createTranslations(locale)] } });
  return async (code, params) => {
    report.value = { kind: 'Image', message: 'as it came', details: '', code, params };
    await nextTick();
    return page.text();
  };
}

function say(locale: Locale, code: string, params: ErrorReport['params']): Promise<string> {
  return showing(locale)(code, params);
}
