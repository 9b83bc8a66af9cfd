import type { BigIntStats } from 'node:fs';
import { FileNumbers } from '../../../backend/share/file-numbers';
import type { MessageWriter } from './message';

const QTDIR = 0x80;
const QTSYMLINK = 0x02;

/** What a client knows files by. */
export class Qids {
  readonly #numbers = new FileNumbers();

  /** type[1] version[4] path[8]. The version is another one when the file has been changed; 0 would say that there is none. */
  write(writer: MessageWriter, status: BigIntStats): MessageWriter {
    const version = Number(BigInt.asUintN(32, status.mtimeNs ^ (status.mtimeNs >> 32n) ^ (status.size << 8n)));
    return writer
      .u8(status.isDirectory() ? QTDIR : status.isSymbolicLink() ? QTSYMLINK : 0)
      .u32(version || 1)
      .u64(this.#numbers.of(status));
  }
}
