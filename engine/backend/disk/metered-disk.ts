import { Disk } from './disk';
import { lengthOf } from './slice-buffers';

/** Bytes that a guest has read from a disk and written to it. */
export interface DiskTraffic {
  read: number;
  written: number;
}

/** A disk that counts what goes through it: what was asked for, also where it failed. */
export class MeteredDisk extends Disk {
  constructor(
    private readonly disk: Disk,
    private readonly traffic: DiskTraffic,
  ) {
    super();
  }

  get name(): string {
    return this.disk.name;
  }
  get readonly(): boolean {
    return this.disk.readonly;
  }
  get format(): Disk['format'] {
    return this.disk.format;
  }
  get geometry(): Disk['geometry'] {
    return this.disk.geometry;
  }
  get discards(): boolean {
    return this.disk.discards;
  }
  get size(): number {
    return this.disk.size;
  }
  readv(offset: number, buffers: Uint8Array[]): Promise<void> {
    this.traffic.read += lengthOf(buffers);
    return this.disk.readv(offset, buffers);
  }
  writev(offset: number, buffers: Uint8Array[]): Promise<void> {
    this.traffic.written += lengthOf(buffers);
    return this.disk.writev(offset, buffers);
  }
  flush(): Promise<void> {
    return this.disk.flush();
  }
  discard(offset: number, length: number): Promise<void> {
    return this.disk.discard(offset, length);
  }
  writeZeroes(offset: number, length: number, options?: { unmap?: boolean }): Promise<void> {
    return this.disk.writeZeroes(offset, length, options);
  }
  resize(size: number): Promise<void> {
    return this.disk.resize(size);
  }
  close(): Promise<void> {
    return this.disk.close();
  }
  override onResize(listener: (size: number) => void): () => void {
    return this.disk.onResize(listener);
  }
}
