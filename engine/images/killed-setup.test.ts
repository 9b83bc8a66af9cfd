import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { generateKey } from 'openpgp';
import { build } from 'vite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FileServer, startFileServer } from '../../test/support/file-server';
import { publishSuite } from '../../test/support/published-suite';
import { Random } from '../../test/support/random';
import { anHourLater } from '../../test/support/an-hour-later';
import { Library } from '../runner/library';
import { defaultGuest } from './default-guest';

/** How often a set-up is killed. */
const KILLS = process.env['HARTBOX_LONG'] ? 150 : 20;

let folder: string;
let server: FileServer;
let key: { privateKey: string; publicKey: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-killed-setup-'));
  server = await startFileServer();
  key = await generateKey({ type: 'ecc', curve: 'ed25519Legacy', userIDs: [{ name: 'archive' }], format: 'armored' });
  await writeFile(join(folder, 'key'), key.publicKey);
  const entry = fileURLToPath(new URL('../../test/support/setup-worker.ts', import.meta.url));
  await build({
    configFile: false,
    logLevel: 'error',
    build: { ssr: entry, outDir: folder, emptyOutDir: false, minify: false, rollupOptions: { output: { entryFileNames: 'worker.mjs' } } },
    ssr: { noExternal: true, external: ['koffi'] },
  });
}, 120_000);
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

it(
  'leaves nothing of set-ups and updates that are killed, beside what the next one goes on with',
  async () => {
    const data = join(folder, 'data');
    const library = new Library(data);
    const random = new Random(11);
    const states = new Set<string>();
    // Large enough that it takes a while to fetch and to unpack.
    const kernel = Buffer.alloc(20 << 20);
    const child = (...phase: string[]): ReturnType<typeof spawn> =>
      spawn(process.execPath, [join(folder, 'worker.mjs'), data, server.url, join(folder, 'key'), ...phase], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    for (let kill = 1; kill <= KILLS; kill++) {
      if (kill % 4 === 1) await publishSuite(server, key.privateKey, `6.${kill}`, { kernel });
      // Of four the first dies where it can be told what is left, two anywhere, and one comes to its end, so that there is something to update.
      const worker = kill % 4 === 1 ? child('download') : child();
      const closed = once(worker, 'close');
      await Promise.race([once(worker.stdout as NodeJS.ReadableStream, 'data'), closed]);
      if (kill % 4 > 1) {
        await delay(random.below(1500));
        worker.kill('SIGKILL');
      }
      await closed;
      await anHourLater(data);
      await library.recover();
      const names = await readdir(data, { recursive: true });
      const when = `kill ${kill}: ${names.join(' ')}`;
      const manifest = await readFile(join(data, 'default-guest', 'guest.json'), 'utf8').catch(() => undefined);
      expect(
        names.filter((name) => /lock|\.part-/.test(name)),
        when,
      ).toEqual([]);
      expect(names.filter((name) => /^default-guest.[0-9a-f]{16}$/.test(name)).length, when).toBe(manifest === undefined ? 0 : 1);
      if (manifest !== undefined) expect(names, when).not.toContain('cache');
      states.add(manifest === undefined ? (names.includes('cache') ? 'begun' : 'nothing') : 'made');
    }
    expect([...states]).toContain('begun');
    expect([...states]).toContain('made');
    const guest = await defaultGuest({ dataDirectory: data, mirror: server.url, keys: [key.publicKey], update: true });
    expect((await readFile(guest.kernel)).length).toBeGreaterThan(0);
  },
  KILLS * 10_000 + 60_000,
);
