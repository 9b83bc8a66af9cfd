import { SharedFolder } from '../../../backend/share/shared-folder';
import { DeviceState } from '../../../bus/device-state';
import { SharedFolderDevice, tagBytes } from '../shared-folder-device';
import { NinePSession, savedSessionSchema } from './session';

/** The tag is in the configuration space (virtio 1.3 §5.14 reserves the device; this is Linux's include/uapi/linux/virtio_9p.h). */
export const VIRTIO_9P_MOUNT_TAG = 0;

/** Linux's client has as many requests under way. */
const QUEUE_SIZE = 128;
const TAG_MAX = 255;

export interface Virtio9pOptions {
  /** What the guest mounts it by: 1 to 255 bytes. */
  tag: string;
  /** Stays open until `close`. */
  folder: SharedFolder;
}

/** A folder of the host by 9P2000.L: `mount -t 9p -o trans=virtio,version=9p2000.L TAG /mnt`. */
export class Virtio9p extends SharedFolderDevice<NinePSession> {
  readonly name: string;
  readonly deviceId = 9;
  readonly queueSizes = [QUEUE_SIZE];

  override readonly state = new DeviceState(this, {
    version: 1,
    schema: savedSessionSchema,
    save: () => this.session.save(),
    load: (saved) => () => this.session.load(saved),
  });

  constructor({ tag, folder }: Virtio9pOptions) {
    const bytes = tagBytes(tag, TAG_MAX);
    const config = new Uint8Array(2 + bytes.length);
    config[0] = bytes.length;
    config.set(bytes, 2);
    super([VIRTIO_9P_MOUNT_TAG], config, folder, () => new NinePSession(folder));
    this.name = `virtio-9p (${tag})`;
  }

  /** A share of a folder. Throws VmError 'Config' or 'Resource' where it cannot be shared. */
  static async open({ path, tag, readonly }: { path: string; tag: string; readonly?: boolean }): Promise<Virtio9p> {
    return new Virtio9p({ tag, folder: await SharedFolder.open({ path, readonly }) });
  }
}
