import { describe, expect, it, vi } from 'vitest';
import { checkForUpdate } from './update-check';

const FEED = 'https://updates.example/hartbox.json';
const answering = (body: string, status = 200) => vi.fn(async () => new Response(body, { status }));
const page = 'https://example.org/get';

describe('checkForUpdate', () => {
  it.each([
    ['0.1.0', undefined],
    ['0.0.9', undefined],
    ['0.2.0', { version: '0.2.0', url: page }],
    ['0.1.10', { version: '0.1.10', url: page }],
    ['1.0.0', { version: '1.0.0', url: page }],
  ])('version %s', async (version, found) => {
    const ask = answering(JSON.stringify({ version, url: page }));
    expect(await checkForUpdate(FEED, '0.1.0', ask)).toEqual(found);
    // One request, with nothing of this computer in it, to nobody else.
    expect(ask.mock.calls).toEqual([[FEED, expect.objectContaining({ redirect: 'error', credentials: 'omit' })]]);
  });

  it.each(['', 'http://updates.example/x', 'file:///etc/passwd', 'https://user:word@updates.example/x'])(
    'asks nobody at "%s"',
    async (feed) => {
      const ask = answering('{}');
      await expect(checkForUpdate(feed, '0.1.0', ask)).rejects.toMatchObject({ code: 'update-address' });
      expect(ask).not.toHaveBeenCalled();
    },
  );

  it.each([
    ['no JSON', '<html>'],
    ['another shape', '{"version":"latest","url":"https://x.example"}'],
    ['a page that is none', '{"version":"9.0.0","url":"javascript:alert(1)"}'],
    ['too much', `"${'x'.repeat(100_000)}"`],
  ])('refuses %s', async (_what, body) => {
    await expect(checkForUpdate(FEED, '0.1.0', answering(body))).rejects.toMatchObject({ code: 'update-unreachable' });
  });

  it('says that it could not be reached', async () => {
    await expect(checkForUpdate(FEED, '0.1.0', answering('', 404))).rejects.toThrow('HTTP 404');
    await expect(
      checkForUpdate(
        FEED,
        '0.1.0',
        vi.fn(() => Promise.reject(new Error('ENOTFOUND'))),
      ),
    ).rejects.toThrow('ENOTFOUND');
  });
});
