import type { SharedFolder } from '../../backend/share/shared-folder';
import { VmError } from '../../errors/vm-error';
import type { ScatterGatherList } from '../../memory/scatter-gather-list';
import { VirtioDevice } from '../device';

/** What a guest that has mounted a share says, by whichever protocol. */
interface ShareSession {
  /** Answer a request; resolves with the bytes of the answer. */
  serve(readable: ScatterGatherList, writable: ScatterGatherList, isWanted: () => boolean): Promise<number>;
  close(): Promise<void>;
}

/** Bytes of a share's tag. Throws VmError 'Config' for one that has none, or more than `most`. */
export function tagBytes(tag: string, most: number): Uint8Array {
  const bytes = new TextEncoder().encode(tag);
  if (bytes.length === 0 || bytes.length > most)
    throw VmError.config(`A share's tag has 1 to ${most} bytes, and ${JSON.stringify(tag)} has ${bytes.length}.`);
  return bytes;
}

/** A device by which a guest mounts a folder of the host; each reset begins another session. */
export abstract class SharedFolderDevice<Session extends ShareSession> extends VirtioDevice {
  override readonly pciClass = 0x018000;
  protected session: Session;

  /** `folder` stays open until `close`. */
  constructor(
    features: readonly number[],
    config: Uint8Array<ArrayBuffer>,
    private readonly folder: SharedFolder,
    private readonly begin: () => Session,
  ) {
    super(features, new DataView(config.buffer));
    this.session = begin();
  }

  /** Closes the folder. The driver must have let go of the device. */
  async close(): Promise<void> {
    await this.session.close();
    await this.folder.close();
  }

  protected override serve(index: number): void {
    for (let chain = this.take(index); chain; chain = this.take(index)) {
      const queue = this.queue(index)!;
      this.respond(
        queue,
        chain,
        this.session.serve(chain.readable, chain.writable, () => !queue.isClosed),
      );
    }
  }

  protected override onReset(): void {
    const before = this.session;
    this.session = this.begin();
    void before.close();
  }
}
