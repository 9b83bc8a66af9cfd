import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assetPath, serveAsset } from './asset-protocol';

let folder: string;
let root: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-assets-'));
  root = join(folder, 'renderer');
  await mkdir(join(root, 'assets'), { recursive: true });
  await writeFile(join(root, 'index.html'), '<!doctype html>');
  await writeFile(join(root, 'assets', 'app.js'), 'export {}');
  await writeFile(join(folder, 'secret.json'), '{}');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('app protocol', () => {
  it('serves the page with a content security policy that allows scripts from the app alone', async () => {
    const answer = await serveAsset(root, { url: 'app://hartbox/', method: 'GET' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/html');
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect((await serveAsset(root, { url: 'app://hartbox/assets/app.js', method: 'GET' })).headers.get('content-type')).toContain(
      'javascript',
    );
  });

  it('answers 404 to what is not there, other hosts, other methods and files of other kinds', async () => {
    for (const [url, method] of [
      ['app://hartbox/none.js', 'GET'],
      ['app://other/index.html', 'GET'],
      ['app://hartbox/index.html', 'POST'],
      ['app://hartbox/assets', 'GET'],
    ]) {
      expect((await serveAsset(root, { url, method })).status).toBe(404);
    }
  });

  it.each(['../secret.json', '..%2fsecret.json', '%2e%2e/secret.json', 'assets/..%2f..%2fsecret.json', '..%5csecret.json', '%00.js', '%'])(
    'does not leave its folder for %s',
    async (path) => {
      expect((await serveAsset(root, { url: `app://hartbox/${path}`, method: 'GET' })).status).toBe(404);
    },
  );

  it('names no file outside its folder, whatever the URL', () => {
    const piece = fc.constantFrom('..', '%2e%2e', '/', '%2f', '\\', '%5c', 'a', 'b.js', '.', '//', '%00', 'C:');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const file = assetPath(root, `app://hartbox/${pieces.join('')}`);
        expect(file === undefined || file.startsWith(root + sep)).toBe(true);
      }),
    );
  });
});
