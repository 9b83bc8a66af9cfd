import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCleartextMessage, generateKey, readPrivateKey, sign } from 'openpgp';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeDeb, makeModule, makeXz } from '../../test/support/archive-writers';
import { type FileServer, startFileServer } from '../../test/support/file-server';
import { readCpio } from './cpio';
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
  options = { dataDirectory: home, mirror: server.url, keys: [key.publicKey], patience: { idle: 2000, tries: 2, pause: 5 } };
  await publish('6.12.1');
});
afterEach(async () => {
  await server.close();
  await rm(home, { recursive: true, force: true });
});

const hash = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** Puts a suite onto the server as Debian lays it out, with this version of the kernel. */
async function publish(version: string, kernelFiles?: { path: string; data: Uint8Array }[]): Promise<void> {
  const module = (path: string, name: string, depends: string[] = []) => ({
    path: `./usr/lib/modules/${version}/kernel/${path}.ko.xz`,
    data: makeXz(makeModule({ name, depends, aliases: [`fs-${name}`], signed: true })),
  });
  const debs = {
    [`linux-image-${version}-riscv64`]: makeDeb(
      kernelFiles ?? [
        { path: `./boot/vmlinux-${version}`, data: Buffer.from(`kernel ${version}`) },
        // In the package a module may come before those that it needs; this one needs one that nobody asked for.
        module('aaa/newdep', 'newdep'),
        module('fs/ext4', 'ext4', ['newdep']),
        module('drivers/virtio/virtio_mmio', 'virtio_mmio'),
        module('drivers/unwanted', 'unwanted'),
      ],
    ),
    'busybox-static': makeDeb([{ path: './usr/bin/busybox', data: Buffer.from('busybox') }]),
    opensbi: makeDeb([{ path: './usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin', data: Buffer.from('firmware') }]),
  };
  const stanzas = Object.entries(debs).map(([name, deb]) => {
    server.files.set(`/pool/${name}.deb`, deb);
    return `Package: ${name}\nVersion: ${version}\nFilename: pool/${name}.deb\nSize: ${deb.length}\nSHA256: ${hash(deb)}\n`;
  });
  const meta = `Package: linux-image-riscv64\nVersion: ${version}\nDepends: linux-image-${version}-riscv64 (= ${version})\nFilename: pool/meta.deb\nSize: 1\nSHA256: ${'0'.repeat(64)}\n`;
  const index = makeXz(Buffer.from([meta, ...stanzas].join('\n')));
  server.files.set('/dists/trixie/main/binary-riscv64/Packages.xz', index);
  const text = `Codename: trixie\nDate: ${new Date().toUTCString()}\nArchitectures: riscv64\nAcquire-By-Hash: yes\nSHA256:\n ${hash(index)} ${index.length} main/binary-riscv64/Packages.xz\n`;
  const signingKeys = await readPrivateKey({ armoredKey: key.privateKey });
  server.files.set('/dists/trixie/InRelease', Buffer.from(await sign({ message: await createCleartextMessage({ text }), signingKeys })));
}

describe('the default guest', () => {
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
    expect(await readdir(home)).toEqual(['default-guest']);
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

  it('refuses an index whose hash is not the signed one', async () => {
    server.files.set('/dists/trixie/main/binary-riscv64/Packages.xz', makeXz(Buffer.from('Package: evil\n')));
    await expect(defaultGuest(options)).rejects.toMatchObject({ kind: 'Network' });
  });

  it('says what a kernel package lacks', async () => {
    await publish('6.12.3', [{ path: './boot/vmlinux-6.12.3', data: Buffer.from('kernel') }]);
    await expect(defaultGuest(options)).rejects.toThrow(/holds no kernel image .* or no module virtio_mmio/);
  });

  it('stops when it is aborted', async () => {
    const controller = new AbortController();
    const running = defaultGuest({ ...options, signal: controller.signal, onProgress: () => controller.abort(new Error('enough')) });
    await expect(running).rejects.toThrow('enough');
    await expect(defaultGuest(options)).resolves.toBeDefined();
  });
});
