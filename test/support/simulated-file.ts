import type { DiskFile } from '../../engine/backend/disk/disk-file';
import type { Hole } from '../../engine/host/host-holes';

interface PendingWrite {
  offset: number;
  data: Uint8Array;
}

const SECTOR = 512;

/**
 * A file on a simulated host disk with a volatile cache: what was written since the last `sync` may reach the disk in any order, in part,
 * or not at all.
 */
export class SimulatedFile implements DiskFile {
  readonly path = 'simulated.qcow2';
  readonly readonly = false;
  readonly punches = true;
  length: number;
  #content: Uint8Array<ArrayBuffer>;
  #stable: Uint8Array<ArrayBuffer>;
  readonly #pending: PendingWrite[] = [];

  constructor(
    content: Uint8Array<ArrayBuffer>,
    /** Called before each step, so that tests can stop the world there. */
    private readonly step: () => void | Promise<void> = () => undefined,
  ) {
    this.#content = content.slice();
    this.#stable = content.slice();
    this.length = content.length;
  }

  async readv(offset: number, buffers: Uint8Array[]): Promise<number> {
    await this.step();
    let at = offset;
    for (const buffer of buffers) {
      const part = this.#content.subarray(Math.min(at, this.length), Math.min(at + buffer.length, this.length));
      buffer.set(part);
      buffer.fill(0, part.length);
      at += buffer.length;
    }
    return Math.max(0, Math.min(at, this.length) - offset);
  }

  async writev(offset: number, buffers: Uint8Array[]): Promise<void> {
    const data = Buffer.concat(buffers);
    await this.step();
    this.#content = put(this.#content, offset, data);
    this.length = Math.max(this.length, offset + data.length);
    this.#pending.push({ offset, data });
  }

  async sync(): Promise<void> {
    const covered = this.#pending.length;
    await this.step();
    for (const { offset, data } of this.#pending.splice(0, covered)) this.#stable = put(this.#stable, offset, data);
  }

  async truncate(length: number): Promise<void> {
    await this.step();
    this.#content = this.#content.slice(0, length);
    this.length = length;
  }

  async punch(offset: number, length: number): Promise<Hole> {
    await this.writev(offset, [new Uint8Array(Math.max(0, Math.min(length, this.length - offset)))]);
    return { start: offset, end: offset + length };
  }

  async close(): Promise<void> {}

  /** What the disk could hold after a power cut now: `survives` decides for each sector of each unsynced write. */
  afterPowerCut(survives: () => boolean): Uint8Array<ArrayBuffer> {
    let content = this.#stable.slice();
    for (const { offset, data } of this.#pending) {
      for (let at = 0; at < data.length; ) {
        const count = Math.min(SECTOR - ((offset + at) % SECTOR), data.length - at);
        if (survives()) content = put(content, offset + at, data.subarray(at, at + count));
        at += count;
      }
    }
    return content;
  }
}

/** `data` in `content` at `offset`; longer if need be. */
function put(content: Uint8Array<ArrayBuffer>, offset: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const end = offset + data.length;
  if (end > content.length) {
    const longer = new Uint8Array(Math.max(end, content.length));
    longer.set(content);
    content = longer;
  }
  content.set(data, offset);
  return content;
}
