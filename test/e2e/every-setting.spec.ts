import { readFile, writeFile } from 'node:fs/promises';
import { type Locator, type Page, expect } from '@playwright/test';
import { itemsOf } from '../../engine/settings/items';
import type { Option } from '../../engine/settings/option';
import { problemsOf } from '../../engine/settings/problem';
import { type BoxValues, OPTIONS, boxValuesSchema, optionOf } from '../../engine/settings/settings';
import { parseTexts } from '../../engine/settings/text';
import { SETTING_SAMPLES } from '../support/setting-samples';
import { test } from './support/test';

const ID = 'hartbox-linux';
/** Drives and adapters are made, added, ordered and given options in settings.spec.ts. */
const WALKED = OPTIONS.filter((option) => !itemsOf(option));

/** The command line takes from what is given what to start; in the window one says so. */
const BESIDE: Record<string, Record<string, string>> = { firmware: { source: 'kernel', kernel: '/images/Image' } };

/** What a person does to give an option this value; `texts` is how one writes it. */
async function enter(page: Page, option: Option, texts: readonly string[], value: unknown): Promise<void> {
  await page.getByRole('textbox', { name: 'Search settings' }).fill(option.key);
  const row = page.locator(`[data-option="${option.key}"]`);
  const field = row.locator(`[id="field-${option.key}"]`);
  switch (option.kind) {
    case 'size':
      await row.getByRole('combobox').selectOption('M');
      await field.fill(typeof value === 'number' ? String(value / 2 ** 20) : texts[0].replace(/M$/, ''));
      break;
    case 'count':
    case 'text':
    case 'lines':
    case 'address':
    case 'folder':
    case 'file':
      await field.fill(texts[0]);
      break;
    case 'switch':
      if ((await field.getAttribute('aria-checked')) !== String(value)) await field.click();
      break;
    case 'choice':
      await choose(row, field, option, texts[0]);
      break;
    case 'choices':
      for (const [at, choice] of Object.keys(option.choices ?? {}).entries())
        await row
          .getByRole('checkbox')
          .nth(at)
          .setChecked((value as string[]).includes(choice));
      break;
    case 'words':
      await removeAll(row);
      await field.fill(texts[0]);
      await field.press('Enter');
      break;
    case 'grid':
      for (const [at, side] of texts[0].split('x').entries()) await row.getByRole('textbox').nth(at).fill(side);
      if (!texts[0].includes('x')) await row.getByRole('textbox').nth(1).fill('');
      break;
    case 'fw-cfg':
      await removeAll(row);
      for (const [at, item] of (value as { name: string; text?: string; file?: string }[]).entries()) {
        await row.locator('button', { hasText: 'Add item' }).click();
        await row.getByRole('textbox', { name: 'Name' }).nth(at).fill(item.name);
        await row
          .getByRole('combobox')
          .nth(at)
          .selectOption(item.file === undefined ? 'text' : 'file');
        // Behind the name.
        await row
          .getByRole('textbox')
          .nth(2 * at + 1)
          .fill(item.file ?? item.text ?? '');
      }
      break;
    case 'load':
      await removeAll(row);
      for (const [at, item] of (value as { file: string; address?: string }[]).entries()) {
        await row.locator('button', { hasText: 'Add file' }).click();
        await row.getByRole('textbox', { name: 'File' }).nth(at).fill(item.file);
        await row
          .getByRole('textbox', { name: 'Address' })
          .nth(at)
          .fill(item.address ?? '');
      }
      break;
    case 'drives':
    case 'networks':
    case 'shares':
      break;
  }
}

async function removeAll(row: Locator): Promise<void> {
  const remove = row.getByRole('button', { name: /^Remove/ });
  for (let left = await remove.count(); left > 0; left--) await remove.first().click();
}

async function choose(row: Locator, field: Locator, option: Option, value: string): Promise<void> {
  const radio = row.locator(`input[type=radio][value="${value}"]`);
  if ((await row.getByRole('radio').count()) > 0) return radio.check();
  if (value in (option.choices ?? {})) {
    await field.selectOption(value);
    return;
  }
  await field.selectOption('(file)');
  await row.getByRole('textbox').fill(value);
}

/** Only what can be typed can be wrong; the others offer what is right. */
const TYPED = ['size', 'count', 'text', 'lines', 'words', 'grid', 'address'];

/** One language writes sizes with a space before their unit. */
const plain = (message: string): string => message.replaceAll(/(\d) ?([KMGT])B?\b/g, '$1$2').replace(/^.*?: e/, 'E');

test('every option takes in the window what it takes in the file, and refuses the rest in the same words', async ({ app, home }) => {
  test.setTimeout(240_000);
  const { page } = app;
  await expect(app.library.card('Hartbox Linux').state).toHaveText('Off');
  await page.getByRole('button', { name: 'More actions for Hartbox Linux' }).click();
  await page.getByRole('menuitem', { name: 'Settings' }).click();
  const file = home.machineFile(ID);
  for (const option of WALKED) {
    const samples = SETTING_SAMPLES[option.key as keyof BoxValues];
    await test.step(option.key, async () => {
      await writeFile(file, JSON.stringify({ version: 2, app: { name: 'A' } }));
      await page.reload();
      await expect(page.getByRole('heading', { name: 'A Settings' })).toBeVisible();
      for (const { texts, value, beside = {} } of samples.good) {
        for (const [key, besides] of Object.entries({ ...BESIDE[option.key], ...beside }))
          await enter(page, optionOf(key)!, [besides as string], besides);
        await enter(page, option, texts, value);
        await page.keyboard.press('Control+S');
        await expect(async () => {
          const parts = JSON.parse(await readFile(file, 'utf8')) as Record<string, Record<string, unknown>>;
          expect(parts[option.part]?.[option.key] ?? option.default ?? '', texts.join(' ')).toEqual(value);
        }).toPass({ timeout: 5000 });
        // The page knows too: it would not let go of what is not saved.
        await expect(page.getByText(/unsaved change/)).toHaveCount(0);
      }
      if (!TYPED.includes(option.kind)) return;
      const before = await readFile(file, 'utf8');
      for (const texts of samples.bad) {
        const wrong = parseTexts(option, texts);
        const input = { name: 'A', [option.key]: wrong };
        const [problem] = problemsOf(boxValuesSchema.safeParse(input).error!, input);
        await enter(page, option, texts, wrong);
        const alert = page.locator(`[data-option="${option.key}"]`).getByRole('alert');
        // What is left empty is, in a form, a value that is not there; half a grid is written otherwise.
        if (texts[0].trim() === '' || (option.kind === 'grid' && !texts[0].includes('x')))
          await expect(alert, option.key).toHaveText(/^Expected /);
        else expect(plain((await alert.textContent()) ?? ''), texts.join(' ')).toBe(plain(problem.message));
        await page.keyboard.press('Control+S');
        expect(await readFile(file, 'utf8')).toBe(before);
      }
      await page.getByRole('button', { name: 'Discard', exact: true }).click();
    });
  }
});
