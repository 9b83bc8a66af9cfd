import { Readable } from 'node:stream';
import { VmError } from '../errors/vm-error';
import { readDeb } from './deb';
import type { KernelModule } from './initramfs';
import { moduleName, readModuleInfo } from './kernel-module';
import { bounded, collect, PART_LIMIT, readPackage } from './package-files';
import type { DebianPackage } from './packages';
import { decompressXz } from './xz';

export interface KernelPackageOptions {
  /** Bytes of the package that have been read. */
  onRead?: (received: number) => void;
  /** Takes the kernel image. */
  onImage?: (contents: AsyncIterable<Uint8Array>) => Promise<void>;
}

/** Modules of a package with a kernel, by their names, with all that they depend on, and the kernel's version. Throws VmError 'Image'. */
export async function readKernelPackage(
  cache: string,
  kernel: DebianPackage,
  names: readonly string[],
  { onRead, onImage }: KernelPackageOptions = {},
): Promise<{ version: string; modules: KernelModule[] }> {
  let version = '';
  let hasImage = false;
  const modules = new Map<string, KernelModule>();
  const compressed = new Map<string, KernelModule>();
  let wanted = new Set(names);

  while (wanted.size > 0) {
    for await (const entry of readDeb(readPackage(cache, kernel, onRead), kernel.name)) {
      if (entry.type !== 'file') continue;
      if (onImage && !hasImage && /^boot\/vmlinu[xz]-/.test(entry.path)) {
        hasImage = true;
        await onImage(bounded(entry.contents, entry.path));
      }
      const [, kernelVersion, path] = /^(?:usr\/)?lib\/modules\/([^/]+)\/(.+\.ko(?:\.xz)?)$/.exec(entry.path) ?? [];
      if (!kernelVersion || !path || !wanted.has(moduleName(path))) continue;
      version = kernelVersion;
      // By name: that of a module is one of those wanted, so that there are only so many.
      compressed.set(moduleName(path), { path, data: await collect(entry.contents, entry.path) });
    }
    for (const { path, data } of compressed.values()) {
      const plain = path.endsWith('.xz') ? await collect(decompressXz(Readable.from([data]), path, PART_LIMIT), path) : data;
      modules.set(moduleName(path), { path: path.replace(/\.xz$/, ''), data: plain });
    }
    compressed.clear();
    // A module that is not there is built in, or gone; what depends on one that was not asked for needs another pass.
    const missing = [...modules.values()].flatMap(({ path, data }) => readModuleInfo(data, path).depends.map(moduleName));
    const asked = wanted;
    wanted = new Set(missing.filter((name) => !modules.has(name) && !asked.has(name)));
  }
  if (!modules.has('virtio_mmio')) throw packageDamaged(kernel, 'no module virtio_mmio');
  return { version, modules: [...modules.values()].sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

export function packageDamaged({ name }: DebianPackage, what: string): VmError {
  return new VmError('Image', `the package ${name} holds ${what}`, { code: 'package-damaged', params: { package: name } });
}
