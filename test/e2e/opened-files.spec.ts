import { join } from 'node:path';
import { expect } from '@playwright/test';
import { Library } from '../../engine/runner/library';
import { HartboxApp } from './support/hartbox-app';
import { test } from './support/test';

test('imports the boxes that are opened with it, at its start and while it runs', async ({ home }) => {
  const library = new Library(home.path);
  const files = [join(home.path, 'one.hartbox'), join(home.path, 'two.hartbox')];
  for (const [at, file] of files.entries()) {
    const id = await library.create({ name: `Opened ${at}` });
    await library.export(id, file);
    await library.remove(id);
  }
  const app = await HartboxApp.launch(home, {}, { switches: [files[0]] });
  try {
    await expect(app.library.card('Opened 0').state).toHaveText('Off');
    await expect(app.library.card('Opened 1').element).toHaveCount(0);
    // As the second start that hands its command line on.
    await app.electron.evaluate(({ app: electron }, file) => electron.emit('second-instance', {}, ['hartbox', file], '/'), files[1]);
    await expect(app.library.card('Opened 1').state).toHaveText('Off');
    // A window that is loaded again does not import them once more.
    await app.page.reload();
    await expect(app.library.card('Opened 1').state).toHaveText('Off');
    expect((await library.list()).length).toBe(3);
  } finally {
    await app.end();
  }
});
