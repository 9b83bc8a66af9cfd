import { close, readAll, writeAll } from './host-files';
import { refusal } from './linux-errors';
import type { NodeFile, ShareNode } from './share-node';

/** A file of the host that the guest has open. It stays open until the last request that uses it has ended. */
export class OpenFile implements NodeFile {
  #users = 1;
  #isClosed = false;

  constructor(
    readonly fd: number,
    readonly node: ShareNode,
    readonly isWritable: boolean,
    private readonly onClosed: () => void,
  ) {
    node.files.add(this);
  }

  /** EBADF where the guest has closed it. */
  async use<T>(work: (fd: number) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw refusal('EBADF');
    this.#users++;
    try {
      return await work(this.fd);
    } finally {
      await this.#leave();
    }
  }

  /** Bytes read: fewer than there is room for at the file's end. */
  read(buffers: Uint8Array[], offset: number): Promise<number> {
    return this.use((fd) => readAll(fd, buffers, offset));
  }

  /** Bytes written, at `offset`, or at the end of a file that was opened for appending. */
  write(buffers: Uint8Array[], offset: number): Promise<number> {
    return this.use((fd) => writeAll(fd, buffers, offset));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.node.files.delete(this);
    await this.#leave();
  }

  async #leave(): Promise<void> {
    if (--this.#users > 0) return;
    await close(this.fd);
    this.onClosed();
  }
}
