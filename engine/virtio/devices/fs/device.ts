import { SharedFolder } from '../../../backend/share/shared-folder';
import { DeviceState } from '../../../bus/device-state';
import { VmError } from '../../../errors/vm-error';
import { VirtioDevice } from '../../device';
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
export class VirtioFs extends VirtioDevice {
  readonly name: string;
  readonly deviceId = 26;
  override readonly pciClass = 0x018000;
  readonly queueSizes = [HIPRIO_SIZE, QUEUE_SIZE];
  readonly #folder: SharedFolder;
  readonly #writeback: boolean;
  #session: FuseSession;

  override readonly state = new DeviceState(this, {
    version: 1,
    schema: savedSessionSchema,
    save: () => this.#session.save(),
    load: (saved) => () => this.#session.load(saved),
  });

  constructor({ tag, folder, writeback = false }: VirtioFsOptions) {
    const bytes = new TextEncoder().encode(tag);
    if (bytes.length === 0 || bytes.length > TAG_BYTES)
      throw VmError.config(`A share's tag has 1 to ${TAG_BYTES} bytes, and ${JSON.stringify(tag)} has ${bytes.length}.`);
    const config = new Uint8Array(TAG_BYTES + 4);
    config.set(bytes);
    // One queue for requests: they run concurrently anyway.
    config[TAG_BYTES] = 1;
    super([], new DataView(config.buffer));
    this.name = `virtio-fs (${tag})`;
    this.#folder = folder;
    this.#writeback = writeback;
    this.#session = new FuseSession(folder, writeback);
  }

  /** A share of a folder. Throws VmError 'Config' or 'Resource' where it cannot be shared. */
  static async open({ path, tag, readonly }: { path: string; tag: string; readonly?: boolean }): Promise<VirtioFs> {
    return new VirtioFs({ tag, folder: await SharedFolder.open({ path, readonly }) });
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
    this.#session = new FuseSession(this.#folder, this.#writeback);
    void before.close();
  }
}
