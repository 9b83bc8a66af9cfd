import { createHash } from 'node:crypto';
import { createCleartextMessage, readPrivateKey, sign } from 'openpgp';
import { makeDeb, makeModule, makeXz, type TarMember } from './archive-writers';
import type { FileServer } from './file-server';

const hash = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

export interface Published {
  kernelFiles?: TarMember[];
  /** Contents of the kernel image. */
  kernel?: Uint8Array;
  date?: Date;
  /** What the signed index says of the package index' length when it is unpacked. */
  unpacked?: number;
}

/** Puts a suite onto the server as Debian lays it out, with this version of the kernel, signed by that key. */
export async function publishSuite(
  server: FileServer,
  privateKey: string,
  version: string,
  { kernelFiles, kernel, date = new Date(), unpacked }: Published = {},
): Promise<void> {
  const module = (path: string, name: string, depends: string[] = []) => ({
    path: `./usr/lib/modules/${version}/kernel/${path}.ko.xz`,
    data: makeXz(makeModule({ name, depends, aliases: [`fs-${name}`], signed: true })),
  });
  const debs = {
    [`linux-image-${version}-riscv64`]: makeDeb(
      kernelFiles ?? [
        { path: `./boot/vmlinux-${version}`, data: kernel ?? Buffer.from(`kernel ${version}`) },
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
  const text = `Codename: trixie\nDate: ${date.toUTCString()}\nArchitectures: riscv64\nAcquire-By-Hash: yes\nSHA256:\n ${hash(index)} ${index.length} main/binary-riscv64/Packages.xz\n${unpacked === undefined ? '' : ` ${'0'.repeat(64)} ${unpacked} main/binary-riscv64/Packages\n`}`;
  const signingKeys = await readPrivateKey({ armoredKey: privateKey });
  server.files.set('/dists/trixie/InRelease', Buffer.from(await sign({ message: await createCleartextMessage({ text }), signingKeys })));
}
