import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { boxView } from '../test/support/box-view';
import { Clipboards } from './clipboards';
import type { ClipboardContent } from './system-clipboard';

function setUp({ isElsewhere = false } = {}) {
  const given: unknown[] = [];
  const host: { content: ClipboardContent } = { content: { text: '' } };
  const machines = Object.assign(new EventEmitter(), {
    call: (_vm: string, name: string, content: unknown) => {
      if (name === 'clipboard-get') return Promise.resolve({ text: 'theirs', png: Buffer.from('picture').toString('base64') });
      given.push(content);
      return Promise.resolve({});
    },
    isElsewhere: () => isElsewhere,
  });
  const clipboards = new Clipboards(machines as never, {
    read: () => Promise.resolve(host.content),
    // Systems do not keep pictures as they got them.
    write: ({ text, png }) => {
      host.content = { text, png: png && Uint8Array.of(...png, 0) };
      return Promise.resolve();
    },
  });
  const become = (isThere: boolean): boolean => machines.emit('changed', boxView({ clipboard: { isThere, copies: 0 } }));
  return { clipboards, given, host, become };
}

describe('the clipboard of this computer', () => {
  it('is given to a guest that does not have it yet, once', async () => {
    const { clipboards, given, host, become } = setUp();
    await clipboards.give('one', false);
    expect(given).toEqual([]);
    host.content = { text: 'ours', png: Uint8Array.of(1, 2) };
    await clipboards.give('one', false);
    await clipboards.give('one', false);
    expect(given).toEqual([{ text: 'ours', png: 'AQI=' }]);
    await clipboards.give('one', true);
    expect(given).toHaveLength(2);
    become(true);
    await clipboards.give('one', false);
    expect(given).toHaveLength(2);
    // Its agent has ended, and come back.
    become(false);
    await clipboards.give('one', false);
    expect(given).toHaveLength(3);
    await clipboards.give('two', false);
    expect(given).toHaveLength(4);
  });

  it('has what was copied in a guest, which does not get it back', async () => {
    const { clipboards, given, host } = setUp();
    const { text, png } = await clipboards.take('one');
    expect([text, Buffer.from(png ?? []).toString()]).toEqual(['theirs', 'picture']);
    await clipboards.keep('one', text ?? null, png ?? null);
    expect(host.content.text).toBe('theirs');
    await clipboards.give('one', false);
    expect(given).toEqual([]);
    await clipboards.give('two', false);
    expect(given).toHaveLength(1);
  });

  it('says why it cannot be given to one that was to have it', async () => {
    const { clipboards, given, host } = setUp();
    await expect(clipboards.give('one', true)).rejects.toMatchObject({ code: 'clipboard-empty' });
    host.content = { text: 'x'.repeat((4 << 20) + 1) };
    await expect(clipboards.give('one', true)).rejects.toMatchObject({ code: 'clipboard-too-long', params: { kib: 4096 } });
    await clipboards.give('one', false);
    host.content = { text: 'ours', png: new Uint8Array((4 << 20) + 1) };
    await clipboards.give('one', true);
    expect(given).toEqual([{ text: 'ours' }]);
    const elsewhere = setUp({ isElsewhere: true });
    elsewhere.host.content = { text: 'x'.repeat(50_000) };
    await expect(elsewhere.clipboards.give('one', true)).rejects.toMatchObject({ params: { kib: 48 } });
  });
});
