import { VmError } from '../errors/vm-error';
import { writeCpio } from '../images/cpio';
import type { AddedFile } from '../images/debian/root-archive';
import { buildInitramfs, guestModules } from '../images/initramfs';
import { readKernelPackage } from '../images/kernel-package';
import { extractFile } from '../images/package-files';
import type { DebianPackage } from '../images/packages';

/**
 * The initramfs of a new Debian: that of the built-in Linux with another first program. Made here it takes a second; by the system's own
 * tools inside the machine it would take longer than all else together.
 */
export async function earlyBootFile(cache: string, packages: readonly DebianPackage[], earlyBoot: string): Promise<AddedFile> {
  const find = (pattern: RegExp): DebianPackage => {
    const found = packages.find(({ name }) => pattern.test(name));
    if (!found) throw new VmError('Internal', `no package ${pattern.source} is among those of the image`);
    return found;
  };
  const busybox = await extractFile(cache, find(/^busybox-static$/), 'usr/bin/busybox');
  const { version, modules } = await readKernelPackage(cache, find(/^linux-image-\d/), guestModules);
  const script = writeCpio([{ type: 'file', path: 'init', mode: 0o755, data: Buffer.from(earlyBoot) }]);
  return {
    path: `boot/initrd.img-${version}`,
    contents: Buffer.concat([buildInitramfs({ kernelVersion: version, busybox, modules }), script]),
  };
}
