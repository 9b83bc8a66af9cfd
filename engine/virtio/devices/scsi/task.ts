import type { ScatterGatherList } from '../../../memory/scatter-gather-list';

/** A command's data did not fit into the buffers that came with it. */
export class Overrun extends Error {}

/** One command as a logical unit sees it: the command descriptor block, and the buffers for its data. */
export class ScsiTask {
  readonly #view: DataView;
  /** Bytes moved so far, in either direction. */
  transferred = 0;

  constructor(
    readonly cdb: Uint8Array<ArrayBuffer>,
    readonly dataOut: ScatterGatherList,
    readonly dataIn: ScatterGatherList,
  ) {
    this.#view = new DataView(cdb.buffer, cdb.byteOffset, cdb.byteLength);
  }

  get opcode(): number {
    return this.cdb[0];
  }

  // Fields of the command descriptor block are big-endian.
  u8(at: number): number {
    return this.#view.getUint8(at);
  }
  u16(at: number): number {
    return this.#view.getUint16(at);
  }
  u24(at: number): number {
    return (this.u8(at) << 16) | this.u16(at + 1);
  }
  u32(at: number): number {
    return this.#view.getUint32(at);
  }
  /** Exact below 2^53; all of that size is beyond every disk's end anyway. */
  u64(at: number): number {
    return this.u32(at) * 0x1_0000_0000 + this.u32(at + 4);
  }

  /** Answer with as much of `data` as the command's allocation length allows (SPC-5 §4.2.5.6). */
  reply(data: Uint8Array, allocationLength: number): void {
    const answer = data.subarray(0, allocationLength);
    if (answer.length > this.dataIn.length) throw new Overrun();
    this.dataIn.copyFrom(answer);
    this.transferred = answer.length;
  }

  /** The `length` bytes of parameters that came with the command. */
  parameters(length: number): DataView<ArrayBuffer> {
    if (length > this.dataOut.length) throw new Overrun();
    this.transferred = length;
    return new DataView(this.dataOut.slice(0, length).toBytes().buffer);
  }

  /** Where the data of a read goes. */
  into(length: number): ScatterGatherList {
    if (length > this.dataIn.length) throw new Overrun();
    this.transferred = length;
    return length === this.dataIn.length ? this.dataIn : this.dataIn.slice(0, length);
  }

  /** Where the data of a write comes from. */
  from(length: number): ScatterGatherList {
    if (length > this.dataOut.length) throw new Overrun();
    this.transferred = length;
    return length === this.dataOut.length ? this.dataOut : this.dataOut.slice(0, length);
  }
}
