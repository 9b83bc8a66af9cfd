import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKey } from 'openpgp';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeXz } from '../../test/support/archive-writers';
import { type FileServer, startFileServer } from '../../test/support/file-server';
import { type Published, publishSuite } from '../../test/support/published-suite';
import { readCpio } from './cpio';
import { openSbi, stockFirmware } from './stock-firmware';
import { type DefaultGuestOptions, defaultGuest, type SetupProgress } from './default-guest';

let key: { privateKey: string; publicKey: string };
let server: FileServer;
let home = '';
let options: DefaultGuestOptions;

beforeAll(async () => {
  key = await generateKey({ type: 'ecc', curve: 'ed25519Legacy', userIDs: [{ name: 'archive' }], format: 'armored' });
});
beforeEach(async () => {
  server = await startFileServer();
  home = await mkdtemp(join(tmpdir(), 'hartbox-guest-'));
  options = { dataDirectory: home, mirror: server.url, keys: [key.publicKey], patience: { idle: 2000, floor: 0, tries: 2, pause: 5 } };
  await publish('6.12.1');
});
afterEach(async () => {
  await server.close();
  await rm(home, { recursive: true, force: true });
});

const publish = (version: string, published?: Published): Promise<void> => publishSuite(server, key.privateKey, version, published);

describe('the default guest', () => {
  it('comes from an installed Hartbox where the user has none, without the network, and not where a newer one is asked for', async () => {
    await defaultGuest(options);
    const bundled = join(home, 'default-guest');
    const fresh = await mkdtemp(join(tmpdir(), 'hartbox-guest-'));
    try {
      const offline = { ...options, dataDirectory: fresh, bundled, mirror: 'http://127.0.0.1:9/debian' };
      const { kernel } = await defaultGuest(offline);
      expect(kernel.startsWith(bundled)).toBe(true);
      expect(await readdir(fresh)).toEqual([]);
      await expect(defaultGuest({ ...offline, update: true })).rejects.toThrow(/no mirror/);
      // What the user has goes before.
      const own = await defaultGuest({ ...options, dataDirectory: fresh, bundled, update: true });
      expect(own.kernel.startsWith(fresh)).toBe(true);
      expect((await defaultGuest(offline)).kernel).toBe(own.kernel);
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  });

  it('is made of the packages that the mirror’s index names', async () => {
    const phases: SetupProgress[] = [];
    const guest = await defaultGuest({ ...options, onProgress: (progress) => phases.push(progress) });
    expect(await readFile(guest.kernel, 'utf8')).toBe('kernel 6.12.1');
    expect(await readFile(guest.firmware, 'utf8')).toBe('firmware');
    const paths = readCpio(await readFile(guest.initrd)).map((entry) => entry.path);
    expect(paths.filter((path) => path.endsWith('.ko'))).toEqual([
      'lib/modules/6.12.1/kernel/aaa/newdep.ko',
      'lib/modules/6.12.1/kernel/drivers/virtio/virtio_mmio.ko',
      'lib/modules/6.12.1/kernel/fs/ext4.ko',
    ]);
    expect(guest.append).toContain('console=ttyS0');
    expect([...new Set(phases.map(({ phase }) => phase))]).toEqual(['index', 'download', 'unpack', 'build']);
    for (const { received, total } of phases) expect(received).toBeLessThanOrEqual(total);
    // The packages are not needed any more.
    expect((await readdir(home)).sort()).toEqual(['default-guest', 'suites']);
  });

  it('gives its OpenSBI to kernels of others where it is there, and is not fetched for that', async () => {
    const alone = await openSbi(options);
    expect(await readFile(alone, 'utf8')).toBe('firmware');
    expect(server.requests.filter((path) => path.startsWith('/pool'))).toEqual(['/pool/opensbi.deb']);
    const { firmware } = await defaultGuest(options);
    server.requests.length = 0;
    expect(await openSbi(options)).toBe(firmware);
    expect(server.requests).toEqual([]);
  });

  it('is there without the network afterwards', async () => {
    const first = await defaultGuest(options);
    await server.close();
    expect(await defaultGuest(options)).toEqual(first);
  });

  it('does not ask for newer packages unless told to', async () => {
    const first = await defaultGuest(options);
    await publish('6.12.2');
    expect(await defaultGuest(options)).toEqual(first);
    const updated = await defaultGuest({ ...options, update: true });
    expect(await readFile(updated.kernel, 'utf8')).toBe('kernel 6.12.2');
    expect((await readdir(join(home, 'default-guest'))).length).toBe(2);
  });

  it('fetches no package when an update finds the same ones', async () => {
    const first = await defaultGuest(options);
    server.requests.length = 0;
    expect(await defaultGuest({ ...options, update: true })).toEqual(first);
    expect(server.requests.filter((path) => path.startsWith('/pool'))).toEqual([]);
  });

  it('is made again where a file was damaged', async () => {
    const guest = await defaultGuest(options);
    await writeFile(guest.kernel, 'KERNEL 6.12.1');
    await defaultGuest(options);
    expect(await readFile(guest.kernel, 'utf8')).toBe('kernel 6.12.1');
  });

  it('is built anew from its parts, without the network, where the initramfs is damaged or from an older version', async () => {
    const guest = await defaultGuest(options);
    const initrd = await readFile(guest.initrd);
    await server.close();
    await rm(guest.initrd);
    await defaultGuest(options);
    expect((await readFile(guest.initrd)).equals(initrd)).toBe(true);
    const manifest = join(home, 'default-guest', 'guest.json');
    await writeFile(manifest, (await readFile(manifest, 'utf8')).replace(/"recipe": "\w+"/, '"recipe": "older"'));
    await writeFile(guest.initrd, 'made by an older version');
    await defaultGuest(options);
    expect((await readFile(guest.initrd)).equals(initrd)).toBe(true);
  });

  it('is made again of the packages when a newer version of Hartbox needs more modules, but not when it needs fewer', async () => {
    await defaultGuest(options);
    const manifest = join(home, 'default-guest', 'guest.json');
    const text = await readFile(manifest, 'utf8');
    server.requests.length = 0;
    await writeFile(manifest, text.replace('"ext4",', '"ext4", "one_more",'));
    await defaultGuest(options);
    expect(server.requests).toEqual([]);
    await writeFile(manifest, text.replace('"ext4",', ''));
    await defaultGuest(options);
    expect(server.requests.length).toBeGreaterThan(0);
  });

  it('is made once when several ask at the same time', async () => {
    const guests = await Promise.all([defaultGuest(options), defaultGuest(options), defaultGuest(options)]);
    expect(new Set(guests.map((guest) => guest.kernel)).size).toBe(1);
    expect(server.requests.filter((path) => path === '/pool/opensbi.deb').length).toBe(1);
  });

  it('goes on with what had been fetched when a first try was cut off', async () => {
    server.files.delete('/pool/opensbi.deb');
    await expect(defaultGuest(options)).rejects.toThrow(/no mirror gave them:\n.*opensbi.deb was refused: 404/);
    server.requests.length = 0;
    await publish('6.12.1');
    await defaultGuest(options);
    expect(server.requests.filter((path) => path.startsWith('/pool'))).toEqual(['/pool/opensbi.deb']);
  });

  it('says what each mirror answered, and what to do, when none has the suite', async () => {
    server.files.clear();
    await expect(defaultGuest(options)).rejects.toThrow(/InRelease was refused: 404.*HARTBOX_DEBIAN_MIRROR/s);
  });

  it('refuses a suite that the archive has not signed', async () => {
    await expect(defaultGuest({ ...options, keys: undefined })).rejects.toThrow(/not signed by the Debian archive/);
  });

  it('refuses a suite that is older than what was seen before, and does not forget that', async () => {
    const newest = new Date(Date.now() - 3600_000);
    await publish('6.12.2', { date: newest });
    await defaultGuest(options);
    // Signed by the right key: once it was the newest.
    await publish('6.12.1', { date: new Date(newest.getTime() - 2000) });
    for (let attempt = 0; attempt < 2; attempt++)
      await expect(defaultGuest({ ...options, update: true })).rejects.toThrow(
        /the mirror is behind.*Use another mirror.*delete .*trixie.json/,
      );
    // So it is for all that comes from there, not for the default guest alone.
    await expect(stockFirmware('uboot', options)).rejects.toThrow(/the mirror is behind/);
    await rm(join(home, 'suites', 'trixie.json'));
    await defaultGuest({ ...options, update: true });
    await publish('6.12.3', { date: newest });
    expect(await readFile((await defaultGuest({ ...options, update: true })).kernel, 'utf8')).toBe('kernel 6.12.3');
  });

  it('remembers no date of a suite that it does not believe', async () => {
    await publish('6.12.9', { date: new Date(Date.now() + 48 * 3600_000) });
    await expect(defaultGuest(options)).rejects.toThrow(/set the clock/);
    await publish('6.12.1');
    await defaultGuest(options);
  });

  it('reads no more of an index than the signed one says that it has', async () => {
    await publish('6.12.1', { unpacked: 100 });
    await expect(defaultGuest(options)).rejects.toThrow(/Packages.xz\) unpacks to more than the 100 bytes/);
  });

  it('refuses an index whose hash is not the signed one', async () => {
    server.files.set('/dists/trixie/main/binary-riscv64/Packages.xz', makeXz(Buffer.from('Package: evil\n')));
    await expect(defaultGuest(options)).rejects.toMatchObject({ kind: 'Network' });
  });

  it('says what a kernel package lacks', async () => {
    await publish('6.12.3', { kernelFiles: [{ path: './boot/vmlinux-6.12.3', data: Buffer.from('kernel') }] });
    await expect(defaultGuest(options)).rejects.toThrow(/holds no module virtio_mmio/);
  });

  it('stops when it is aborted', async () => {
    const controller = new AbortController();
    const running = defaultGuest({ ...options, signal: controller.signal, onProgress: () => controller.abort(new Error('enough')) });
    await expect(running).rejects.toThrow('enough');
    await expect(defaultGuest(options)).resolves.toBeDefined();
  });
});
