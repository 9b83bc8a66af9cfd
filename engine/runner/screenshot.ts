import { writeFile } from 'node:fs/promises';
import { VmError } from '../errors/vm-error';
import { encodePng } from '../gpu/png';
import type { Scanout } from '../gpu/scanout';
import { makeFile } from '../host/new-file';

/**
 * Write what a scanout shows to a PNG file, without the pointer where the guest leaves that to the host; a file of that name is replaced.
 * Resolves with its pixels. Throws VmError: 'State' where it shows nothing, 'Config' or 'Resource' where the file cannot be written.
 */
export async function saveScreenshot(scanout: Scanout, file: string): Promise<{ width: number; height: number }> {
  const { size } = scanout;
  if (!size)
    throw new VmError('State', 'The screen shows nothing: the guest has no driver for it, or has not started that far.', {
      code: 'screen-dark',
    });
  const pixels = new Uint32Array(size.width * size.height);
  scanout.read({ x: 0, y: 0, ...size }, pixels);
  const png = await encodePng(size.width, size.height, pixels);
  await makeFile(file, (temporary) => writeFile(temporary, png), { replace: true });
  return size;
}
