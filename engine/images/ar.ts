import { VmError } from '../errors/vm-error';
import type { ByteSource } from './byte-source';

const MAGIC = '!<arch>\n';
const HEADER_BYTES = 60;

export interface ArMember {
  name: string;
  /** Bytes. */
  size: number;
  /** The contents; what is not read is skipped when the next member is asked for. */
  contents: AsyncGenerator<Uint8Array>;
}

/**
 * The members of an `ar` archive in the form that .deb packages use (deb(5)): short names, no symbol tables.
 * Throws VmError 'Image' for what is not one.
 */
export async function* readAr(source: ByteSource): AsyncGenerator<ArMember> {
  const latin1 = new TextDecoder('latin1');
  if (latin1.decode(await source.take(MAGIC.length)) !== MAGIC) {
    throw new VmError('Image', `${source.what} is not an ar archive (a .deb package): it does not begin with "!<arch>"`);
  }
  while (!(await source.ended())) {
    const header = latin1.decode(await source.take(HEADER_BYTES));
    const size = header.slice(48, 58).trimEnd();
    if (header.slice(58) !== '`\n' || !/^\d{1,10}$/.test(size)) {
      throw new VmError('Image', `${source.what} is damaged: there is no ar member header at byte ${source.position - HEADER_BYTES}`);
    }
    const bytes = Number(size);
    const end = source.position + bytes;
    // dpkg-deb writes plain names; GNU ar ends them with a slash.
    yield { name: header.slice(0, 16).trimEnd().replace(/\/$/, ''), size: bytes, contents: source.stream(bytes) };
    await source.skip(end - source.position);
    // Members begin at even offsets.
    if (bytes % 2 === 1 && !(await source.ended())) await source.skip(1);
  }
}
