import { mappedOwners, passedOwners } from '../backend/share/owners';
import { hostOwner, SharedFolder } from '../backend/share/shared-folder';
import { writeCpio } from '../images/cpio';
import { mountPoint, type ShareConfig, shareTags } from '../settings/share';
import type { MachineConfig } from '../settings/settings';
import { VirtioFs } from '../virtio/devices/fs/device';
import { Virtio9p } from '../virtio/devices/nine-p/device';
import type { PlacedDevice } from '../virtio/registry';

/** How the built-in Linux mounts, by type and options. With 9P: messages as large as they may be, and nothing kept that the host may change, but for pages that programs map. */
const MOUNTS: Readonly<Record<ShareConfig['protocol'], string>> = {
  '9p': '9p trans=virtio,version=9p2000.L,msize=512000,cache=mmap,nodev',
  'virtio-fs': 'virtiofs nodev',
};

export type ShareDevice = Virtio9p | VirtioFs;

/** The folders of the host that a machine shares with its guest. */
export class Shares {
  private constructor(readonly placed: readonly PlacedDevice<ShareDevice>[]) {}

  /** Opens the folders. Throws VmError where one of them cannot be shared. */
  static async open({ shares }: MachineConfig): Promise<Shares> {
    const placed: PlacedDevice<ShareDevice>[] = [];
    try {
      for (const [at, tag] of shareTags(shares).entries()) {
        const { folder: path, protocol, writeback, readonly, owners, user, group, bus } = shares[at];
        const owned = owners === 'passed' ? passedOwners : mappedOwners({ uid: user, gid: group }, hostOwner());
        const folder = await SharedFolder.open({ path, readonly, owners: owned });
        placed.push({ device: protocol === '9p' ? new Virtio9p({ tag, folder }) : new VirtioFs({ tag, folder, writeback }), bus });
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
    const { readonly, protocol } = shares[at];
    return `${MOUNTS[protocol]}${readonly ? ',ro' : ''} ${tag} ${mountPoint(shares[at], tag)}\n`;
  });
  return writeCpio([
    { type: 'directory', path: 'hartbox' },
    { type: 'file', path: 'hartbox/shares', data: new TextEncoder().encode(lines.join('')) },
  ]);
}
