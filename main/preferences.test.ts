import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Preferences } from './preferences';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hartbox-preferences-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

describe('Preferences', () => {
  it('follow the system at first and remember what was chosen', async () => {
    const preferences = new Preferences(home);
    expect(preferences.theme).toBe('system');
    await Promise.all([preferences.set({ theme: 'dark' }), preferences.set({ window: { width: 900, height: 700, maximized: true } })]);
    expect(new Preferences(home).theme).toBe('dark');
    expect(new Preferences(home).window.maximized).toBe(true);
  });

  it.each(['', '[]', '{"theme":"pink","window":{"width":-1}}', '{"theme":'])('start afresh from the damaged file %j', async (text) => {
    await writeFile(join(home, 'preferences.json'), text);
    expect(new Preferences(home)).toMatchObject({ theme: 'system', window: { width: 1120 } });
  });

  it('go on without a place to write', async () => {
    const preferences = new Preferences(join(home, 'none'));
    await preferences.set({ theme: 'light' });
    expect(preferences.theme).toBe('light');
  });
});
