import type { BigIntStats } from 'node:fs';

/** Numbers of files are unique on a device: a share may have several, of which the first keeps its own. */
export class FileNumbers {
  readonly #devices = new Map<bigint, bigint>();

  of({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): bigint {
    let number = this.#devices.get(dev);
    if (number === undefined) {
      number = BigInt(this.#devices.size % 0x10000);
      this.#devices.set(dev, number);
    }
    return BigInt.asUintN(64, ino ^ (number << 48n));
  }
}

const SECOND = 1_000_000_000n;

/** A time as seconds since 1970 and nanoseconds, which are never negative. */
export function splitTime(time: bigint): { seconds: bigint; nanoseconds: number } {
  const nanoseconds = ((time % SECOND) + SECOND) % SECOND;
  return { seconds: (time - nanoseconds) / SECOND, nanoseconds: Number(nanoseconds) };
}
