import type { AccessSize } from '../../bus/device';

/** A transport's register as data: where it is, how wide, what it is called, and what reading and writing it do. Values are unsigned. */
export interface Register<T> {
  offset: number;
  size: AccessSize;
  name: string;
  read?: (transport: T) => number;
  write?: (transport: T, value: number) => void;
}

/** The registers of a window by their offsets. */
export class RegisterTable<T> {
  readonly #byOffset: (Register<T> | undefined)[];

  constructor(bytes: number, rows: readonly Register<T>[]) {
    this.#byOffset = Array.from({ length: bytes }, () => undefined);
    for (const row of rows) this.#byOffset[row.offset] = row;
  }

  /** Drivers access a register whole (virtio 1.3 §4.1.3.1, §4.2.2.2): an access of another width finds none. */
  find(offset: number, size: AccessSize): Register<T> | undefined {
    const register = this.#byOffset[offset];
    return register?.size === size ? register : undefined;
  }

  /** What a trace calls an access. */
  nameOf(offset: number, size: AccessSize): string {
    return this.find(offset, size)?.name ?? `0x${offset.toString(16)}/${size}`;
  }
}
