import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect } from '@playwright/test';
import { Library } from '../../engine/runner/library';
import { Label } from '../support/assembler';
import { writeBareMetal } from '../support/bare-metal';
import { HartboxApp } from './support/hartbox-app';
import { test } from './support/test';

const UART = 0x10000000;

/** A project whose build puts the program that a source names in the place of the kernel. */
let folder = '';
test.beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-e2e-build-'));
  for (const text of ['first', 'second'])
    writeBareMetal(join(folder, `.${text}.elf`), (program) => {
      for (const letter of `${text} kernel\r\n`) program.poke(1, UART, letter.charCodeAt(0));
      const again = new Label();
      program.place(again);
      program.wfi();
      program.jump(again);
    });
  await mkdir(join(folder, 'src'));
  const script = `const fs = require('fs'); fs.copyFileSync('.' + fs.readFileSync('src/which.txt', 'utf8') + '.elf', 'kernel.elf')`;
  await writeFile(join(folder, 'build.cjs'), script);
});
test.afterAll(() => rm(folder, { recursive: true, force: true }));

test('what a box starts from is built and started anew by a key, and when a source is saved', async ({ home }) => {
  const save = (text: string): Promise<void> => writeFile(join(folder, 'src', 'which.txt'), text);
  await save('first');
  const id = await new Library(home.path).create({
    name: 'Course',
    source: 'elf',
    kernel: join(folder, 'kernel.elf'),
    memory: 16 << 20,
    build: `"${process.execPath}" build.cjs`,
    buildFolder: folder,
  });
  const app = await HartboxApp.launch(home);
  try {
    const { page } = app;
    const answer = (response: number): Promise<void> =>
      app.electron.evaluate(({ dialog }, chosen) => {
        const asked = dialog as unknown as { questions: string[]; showMessageBox: unknown };
        asked.questions ??= [];
        asked.showMessageBox = (_window: unknown, { message }: { message: string }) => {
          asked.questions.push(message);
          return Promise.resolve({ response: chosen, checkboxChecked: false });
        };
      }, response);
    const { screen, state, input } = app.machine;
    await app.library.card('Course').open.click();
    const build = page.getByRole('button', { name: 'Build and start' });
    // Not without the user's word.
    await answer(1);
    await build.click();
    await expect
      .poll(() => app.electron.evaluate(({ dialog }) => (dialog as unknown as { questions: string[] }).questions))
      .toEqual(['Run the build command of “Course” on this computer?']);
    await answer(0);
    await build.click();
    await expect(screen).toContainText('first kernel');
    expect((await new AxeBuilder({ page }).setLegacyMode().analyze()).violations).toEqual([]);

    await save('second');
    await expect(screen).toContainText('second kernel');
    await save('third');
    await expect(page.getByText(/The build failed/)).toBeVisible();
    await expect(page.getByText(/ENOENT.*third/)).toBeVisible();
    await expect(state).toHaveText('Running');
    await save('first');
    await expect(page.getByText(/The build failed/)).toHaveCount(0);
    await expect.poll(async () => (await screen.innerText()).match(/first kernel/g)).toHaveLength(2);

    // The key works while the keyboard is the guest's.
    await input.focus();
    await page.keyboard.press('Control+Shift+B');
    await expect(page.getByText('Building:')).toBeVisible();
    await expect(page.getByText('Building:')).toHaveCount(0);
    await expect(state).toHaveText('Running');
    expect(await app.electron.evaluate(({ dialog }) => (dialog as unknown as { questions: string[] }).questions)).toHaveLength(2);
    expect(id).toBe('course');
  } finally {
    await app.end();
  }
});
