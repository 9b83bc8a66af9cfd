/**
 * What a disk stands on. Offsets and lengths are bytes, multiples of 512, and inside `size`: callers check. Any number of
 * operations may be under way at once, in no particular order. All failures are DeviceError.IoError.
 */
export interface AsyncBlockDevice {
  /** For people: the file's path. */
  readonly name: string;
  /** Bytes; a multiple of 512. */
  readonly size: number;
  readonly readonly: boolean;
  /** Whether `discard` gives space back. */
  readonly discards: boolean;
  /** Fill all the buffers with what stands at `offset`. */
  readv(offset: number, buffers: Uint8Array[]): Promise<void>;
  writev(offset: number, buffers: Uint8Array[]): Promise<void>;
  /** Resolves when everything written before the call is on stable storage. */
  flush(): Promise<void>;
  /** The content of the range is of no more interest. */
  discard(offset: number, length: number): Promise<void>;
  writeZeroes(offset: number, length: number): Promise<void>;
  close(): Promise<void>;
}

export const SECTOR = 512;
