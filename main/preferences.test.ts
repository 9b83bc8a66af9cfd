import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
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
    expect([preferences.get('theme'), preferences.get('language')]).toEqual(['system', 'system']);
    void preferences.set({ theme: 'dark', language: 'zh-CN' });
    void preferences.set({ window: { x: -20, y: 40, width: 900, height: 700, maximized: true } });
    await preferences.settled();
    const again = new Preferences(home);
    expect([again.get('theme'), again.get('language')]).toEqual(['dark', 'zh-CN']);
    expect(again.get('window')).toEqual({ x: -20, y: 40, width: 900, height: 700, maximized: true });
    expect(await readdir(home)).toEqual(['preferences.json']);
  });

  it.each(['', '[]', '{"theme":"pink","language":"xx","look":1,"lastUsed":[],"window":{"width":-1}}', '{"theme":'])(
    'start afresh from the damaged file %j',
    async (text) => {
      await writeFile(join(home, 'preferences.json'), text);
      const preferences = new Preferences(home);
      expect(preferences.get('theme')).toBe('system');
      expect(preferences.get('look')).toEqual({ layout: 'cards', order: 'name' });
      expect(preferences.get('window').width).toBe(1120);
    },
  );

  it('keep a place that was saved before there were coordinates', async () => {
    await writeFile(join(home, 'preferences.json'), '{"window":{"width":900,"height":700,"maximized":false}}');
    expect(new Preferences(home).get('window')).toEqual({ width: 900, height: 700, maximized: false });
  });

  it('go on without a place to write', async () => {
    const preferences = new Preferences(join(home, 'none'));
    await preferences.set({ theme: 'light' });
    expect(preferences.get('theme')).toBe('light');
  });

  it('remove what earlier apps left half written, and nothing else', async () => {
    await writeFile(join(home, 'preferences.json.part-4711-0a1b2c3d'), '');
    await writeFile(join(home, 'preferences.json.part-old'), '{"theme":');
    await writeFile(join(home, 'preferences.json.bak'), '{}');
    const preferences = new Preferences(home);
    void preferences.set({ theme: 'light' });
    await preferences.removeLeftovers();
    expect((await readdir(home)).sort()).toEqual(['preferences.json', 'preferences.json.bak']);
    expect(new Preferences(home).get('theme')).toBe('light');
  });
});
