import type { BigIntStats } from 'node:fs';
import type { MessageWriter } from './message';

const QTDIR = 0x80;
const QTSYMLINK = 0x02;

/** Numbers of files are unique on a device: a share may have several, of which the first keeps its own. */
export class Qids {
  readonly #devices = new Map<bigint, bigint>();

  path({ dev, ino }: BigIntStats): bigint {
    let number = this.#devices.get(dev);
    if (number === undefined) {
      number = BigInt(this.#devices.size % 0x10000);
      this.#devices.set(dev, number);
    }
    return BigInt.asUintN(64, ino ^ (number << 48n));
  }

  /** type[1] version[4] path[8]. The version is another one when the file has been changed; 0 would say that there is none. */
  write(writer: MessageWriter, status: BigIntStats): MessageWriter {
    const version = Number(BigInt.asUintN(32, status.mtimeNs ^ (status.mtimeNs >> 32n) ^ (status.size << 8n)));
    return writer
      .u8(status.isDirectory() ? QTDIR : status.isSymbolicLink() ? QTSYMLINK : 0)
      .u32(version || 1)
      .u64(this.path(status));
  }
}
