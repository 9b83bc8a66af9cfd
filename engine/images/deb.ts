import { VmError } from '../errors/vm-error';
import { readAr } from './ar';
import { ByteSource } from './byte-source';
import { readTar, type TarEntry } from './tar';
import { decompressXz } from './xz';

/** Bytes that a package is believed to unpack to; the largest that we ask for, a compiler, has 200 MiB. */
const UNPACKED_LIMIT = 4 * 2 ** 30;

/**
 * The files that a .deb package installs (`data`), or those that tell dpkg of it (`control`), streamed (deb(5)): a package of any size
 * takes little memory. Ending the iteration early ends the stream. `what` names the package in errors, which are VmErrors of kind 'Image'.
 */
export async function* readDeb(deb: AsyncIterable<Uint8Array>, what: string, part: 'data' | 'control' = 'data'): AsyncGenerator<TarEntry> {
  const source = new ByteSource(deb, what);
  try {
    for await (const member of readAr(source)) {
      if (!member.name.startsWith(`${part}.tar`)) continue;
      if (member.name !== `${part}.tar.xz`) throw new VmError('Image', `${what} holds ${member.name}; expected ${part}.tar.xz`);
      const tar = new ByteSource(decompressXz(member.contents, what, UNPACKED_LIMIT), what);
      try {
        yield* readTar(tar);
      } finally {
        await tar.close();
      }
      return;
    }
    throw new VmError('Image', `${what} holds no ${part}.tar.xz`);
  } catch (error) {
    if (!(error instanceof VmError) || error.kind !== 'Image' || error.code !== undefined) throw error;
    throw new VmError('Image', error.message, { cause: error, code: 'package-damaged', params: { package: what } });
  } finally {
    await source.close();
  }
}
