import { SharedFolder } from '../../../backend/share/shared-folder';
import { DeviceState } from '../../../bus/device-state';
import { SharedFolderDevice, tagBytes } from '../shared-folder-device';
import { FuseSession, savedSessionSchema } from './session';

/** Virtio 1.3 §5.11: what nobody waits for, and requests. */
const HIPRIO_SIZE = 128;
/** Linux asks for no more pages at once than fit into its queue, beside four descriptors. */
const QUEUE_SIZE = 1024;
const TAG_BYTES = 36;

export interface VirtioFsOptions {
  /** What the guest mounts it by: 1 to 36 bytes. */
  tag: string;
  /** Stays open until `close`. */
  folder: SharedFolder;
  /** Whether the guest may keep what it writes for a while, and takes no notice of others who change the same files. */
  writeback?: boolean | undefined;
}

/** A folder of the host by FUSE (virtio 1.3 §5.11), without DAX: `mount -t virtiofs TAG /mnt`. */
export class VirtioFs extends SharedFolderDevice<FuseSession> {
  readonly name: string;
  readonly deviceId = 26;
  readonly queueSizes = [HIPRIO_SIZE, QUEUE_SIZE];

  override readonly state = new DeviceState(this, {
    version: 1,
    schema: savedSessionSchema,
    save: () => this.session.save(),
    load: (saved) => () => this.session.load(saved),
  });

  constructor({ tag, folder, writeback = false }: VirtioFsOptions) {
    const config = new Uint8Array(TAG_BYTES + 4);
    config.set(tagBytes(tag, TAG_BYTES));
    // One queue for requests: they run concurrently anyway.
    config[TAG_BYTES] = 1;
    super([], config, folder, () => new FuseSession(folder, writeback));
    this.name = `virtio-fs (${tag})`;
  }

  /** A share of a folder. Throws VmError 'Config' or 'Resource' where it cannot be shared. */
  static async open({ path, tag, readonly }: { path: string; tag: string; readonly?: boolean }): Promise<VirtioFs> {
    return new VirtioFs({ tag, folder: await SharedFolder.open({ path, readonly }) });
  }
}
