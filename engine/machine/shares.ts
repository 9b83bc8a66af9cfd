import { mappedOwners, passedOwners } from '../backend/share/owners';
import { hostOwner, SharedFolder } from '../backend/share/shared-folder';
import { writeCpio } from '../images/cpio';
import { mountPoint, shareTags } from '../settings/share';
import type { MachineConfig } from '../settings/settings';
import { Virtio9p } from '../virtio/devices/nine-p/device';
import type { PlacedDevice } from '../virtio/registry';

/** How the built-in Linux mounts: messages as large as they may be, and nothing kept that the host may change, but for pages that programs map. */
const MOUNT_OPTIONS = 'trans=virtio,version=9p2000.L,msize=512000,cache=mmap,nodev';

/** The folders of the host that a machine shares with its guest. */
export class Shares {
  private constructor(readonly placed: readonly PlacedDevice<Virtio9p>[]) {}

  /** Opens the folders. Throws VmError where one of them cannot be shared. */
  static async open({ shares }: MachineConfig): Promise<Shares> {
    const placed: PlacedDevice<Virtio9p>[] = [];
    try {
      for (const [at, tag] of shareTags(shares).entries()) {
        const { folder: path, readonly, owners, user, group, bus } = shares[at];
        const owned = owners === 'passed' ? passedOwners : mappedOwners({ uid: user, gid: group }, hostOwner());
        const folder = await SharedFolder.open({ path, readonly, owners: owned });
        placed.push({ device: new Virtio9p({ tag, folder }), bus });
      }
      return new Shares(placed);
    } catch (error) {
      await new Shares(placed).close();
      throw error;
    }
  }

  /** No driver may have the devices any more. */
  async close(): Promise<void> {
    for (const { device } of this.placed) await device.close();
  }
}

/** What tells the built-in Linux which shares to mount where: it reads /hartbox/shares, a line for each. Undefined where there are none. */
export function sharesArchive({ shares }: MachineConfig): Uint8Array | undefined {
  if (shares.length === 0) return undefined;
  const lines = shareTags(shares).map((tag, at) => {
    const { readonly } = shares[at];
    return `9p ${MOUNT_OPTIONS}${readonly ? ',ro' : ''} ${tag} ${mountPoint(shares[at], tag)}\n`;
  });
  return writeCpio([
    { type: 'directory', path: 'hartbox' },
    { type: 'file', path: 'hartbox/shares', data: new TextEncoder().encode(lines.join('')) },
  ]);
}
