import { VmError } from '../../errors/vm-error';
import type { DiskFormat } from './disk-format';
import { HostFile } from './disk-file';
import { type Permission, permissionFor, referencesOf } from './image-reference';
import { CHAIN_MAX, detectFormat, identityOf, readHeader } from './open-disk';
import type { Qcow2Header } from './qcow2/header';
import type { ImageReference } from './trusted-references';

/** A file that an image names, or one below it does. */
export interface ChainReference extends ImageReference {
  /** Undefined: it may not be used. */
  permission: Permission | undefined;
}

/**
 * All the files that an image and those below it name, as far as they are there and may be used: what is not allowed is not opened. Throws
 * VmError 'Image' if the image itself is damaged, or names what is no file of this computer.
 */
export async function imageChain(path: string, { format = 'auto' }: { format?: DiskFormat | 'auto' } = {}): Promise<ChainReference[]> {
  const found: ChainReference[] = [];
  const seen = new Set<string>();
  let next: { path: string; format: string } | undefined = { path, format };
  while (next && seen.size < CHAIN_MAX) {
    const image: string = next.path;
    const header: Qcow2Header | undefined = await headerOf(image, next.format).catch((error: unknown) => {
      if (image === path || !(error instanceof VmError)) throw error;
      return undefined;
    });
    if (!header) break;
    seen.add(await identityOf(image));
    next = undefined;
    for (const reference of referencesOf(image, header)) {
      const permission = await permissionFor(reference);
      found.push({ ...reference, permission });
      if (reference.kind !== 'backing' || permission === undefined) continue;
      const isNew = await identityOf(reference.file).then(
        (identity) => !seen.has(identity),
        () => false,
      );
      if (isNew) next = { path: reference.file, format: header.backing?.format ?? 'auto' };
    }
  }
  return found;
}

/** Undefined for an image that is raw. */
async function headerOf(path: string, format: string): Promise<Qcow2Header | undefined> {
  const file = await HostFile.open(path, { readonly: true });
  try {
    return (format === 'auto' ? await detectFormat(file) : format) === 'qcow2' ? await readHeader(file) : undefined;
  } finally {
    await file.close();
  }
}
