import { extname } from 'node:path';
import { VmError } from '../../errors/vm-error';

export type DiskFormat = 'raw' | 'qcow2';

const FORMATS: Record<string, DiskFormat> = { '.img': 'raw', '.raw': 'raw', '.iso': 'raw', '.qcow2': 'qcow2' };
/** What other programs would take the file for. */
const FOREIGN = ['.vmdk', '.vdi', '.vhd', '.vhdx', '.qed', '.qcow', '.dmg', '.hdd'];

/** The format of a new image by the ending of its name: qcow2 unless that says raw. Throws VmError 'Config' for those of formats that Hartbox cannot write. */
export function diskFormatFor(file: string): DiskFormat {
  const ending = extname(file).toLowerCase();
  if (FOREIGN.includes(ending))
    throw VmError.config(
      `${file} would be taken for what it is not: Hartbox writes raw and qcow2 images, no ${ending}. Let the name end in .qcow2 or .img (qemu-img converts those), or say the format.`,
      { code: 'disk-format-foreign', params: { path: file, ending } },
    );
  return FORMATS[ending] ?? 'qcow2';
}
