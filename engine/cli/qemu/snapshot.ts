import { join } from 'node:path';
import { createDisk, type DriveConfigInput, withdrawTrust } from '../../index';
import { dataDirectory } from '../../host/data-directory';
import { removeUnfinished, withNewFolder } from '../../host/new-folder';

/** Work with drives of which those at `places` lie under images that keep what is written to them until `work` is done. */
export async function withSnapshots<Result>(
  drives: readonly DriveConfigInput[],
  places: readonly number[],
  work: (drives: DriveConfigInput[]) => Promise<Result>,
): Promise<Result> {
  if (places.length === 0) return work([...drives]);
  const parent = join(dataDirectory(), 'snapshots');
  await removeUnfinished(parent);
  return withNewFolder(parent, async (folder) => {
    const over: string[] = [];
    const snapshots: DriveConfigInput[] = [];
    try {
      for (const [at, drive] of drives.entries()) {
        const file = join(folder, `${at}.qcow2`);
        if (!places.includes(at) || drive.readonly || drive.media === 'cdrom') {
          snapshots.push(drive);
          continue;
        }
        const format = drive.format === 'raw' || drive.format === 'qcow2' ? drive.format : undefined;
        await createDisk({ file, format: 'qcow2', backing: { file: drive.file, ...(format && { format }) } });
        over.push(file);
        snapshots.push({ ...drive, file, format: 'qcow2' });
      }
      return await work(snapshots);
    } finally {
      for (const file of over) await withdrawTrust(file);
    }
  });
}
