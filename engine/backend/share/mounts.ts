import { readText } from '../../host/open-file';

/** File systems whose answers come from this computer's own kernel and disks. Those of a network, or of a program (FUSE), may never answer. */
const LOCAL = new Set([
  ...['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'bcachefs', 'zfs', 'f2fs', 'jfs', 'tmpfs', 'ramfs', 'devtmpfs', 'overlay'],
  ...['vfat', 'exfat', 'ntfs3', 'hfsplus', 'squashfs', 'erofs', 'iso9660', 'udf'],
]);

/** Whether a folder, and all that is mounted below it, lies on file systems that always answer. `mountinfo`: as proc_pid_mountinfo(5) has it. */
export function isLocal(folder: string, mountinfo: string): boolean {
  let above = { point: '', type: '' };
  for (const line of mountinfo.split('\n')) {
    const [mount, file] = line.split(' - ');
    const escaped = mount.split(' ')[4];
    if (file === undefined || escaped === undefined) continue;
    const point = escaped.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    const type = file.split(' ')[0];
    const within = point === '/' ? '/' : `${point}/`;
    // Of two in one place the later one covers the other.
    if (`${folder}/`.startsWith(within)) above = point.length >= above.point.length ? { point, type } : above;
    else if (point.startsWith(folder === '/' ? '/' : `${folder}/`) && !LOCAL.has(type)) return false;
  }
  return LOCAL.has(above.type);
}

/** The same of this computer as it is now. */
export async function liesLocal(folder: string): Promise<boolean> {
  const mountinfo = await readText('/proc/self/mountinfo').catch(() => '');
  return isLocal(folder, mountinfo);
}
