import { SharedFolder } from '../../../backend/share/shared-folder';
import { DeviceState } from '../../../bus/device-state';
import { VmError } from '../../../errors/vm-error';
import { VirtioDevice } from '../../device';
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
export class Virtio9p extends VirtioDevice {
  readonly name: string;
  readonly deviceId = 9;
  override readonly pciClass = 0x018000;
  readonly queueSizes = [QUEUE_SIZE];
  readonly #folder: SharedFolder;
  #session: NinePSession;

  override readonly state = new DeviceState(this, {
    version: 1,
    schema: savedSessionSchema,
    save: () => this.#session.save(),
    load: (saved) => () => this.#session.load(saved),
  });

  constructor({ tag, folder }: Virtio9pOptions) {
    const bytes = new TextEncoder().encode(tag);
    if (bytes.length === 0 || bytes.length > TAG_MAX)
      throw VmError.config(`A share's tag has 1 to ${TAG_MAX} bytes, and ${JSON.stringify(tag)} has ${bytes.length}.`);
    const config = new Uint8Array(2 + bytes.length);
    config[0] = bytes.length;
    config.set(bytes, 2);
    super([VIRTIO_9P_MOUNT_TAG], new DataView(config.buffer));
    this.name = `virtio-9p (${tag})`;
    this.#folder = folder;
    this.#session = new NinePSession(folder);
  }

  /** A share of a folder. Throws VmError 'Config' or 'Resource' where it cannot be shared. */
  static async open({ path, tag, readonly }: { path: string; tag: string; readonly?: boolean }): Promise<Virtio9p> {
    return new Virtio9p({ tag, folder: await SharedFolder.open({ path, readonly }) });
  }

  /** Closes the folder. The driver must have let go of the device. */
  async close(): Promise<void> {
    await this.#session.close();
    await this.#folder.close();
  }

  protected override serve(index: number): void {
    for (let chain = this.take(index); chain; chain = this.take(index)) {
      const queue = this.queue(index)!;
      this.respond(
        queue,
        chain,
        this.#session.serve(chain.readable, chain.writable, () => !queue.isClosed),
      );
    }
  }

  protected override onReset(): void {
    const before = this.#session;
    this.#session = new NinePSession(this.#folder);
    void before.close();
  }
}
