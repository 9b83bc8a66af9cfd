import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { TarFile } from '../images/tar-writer';
import { VmError } from '../errors/vm-error';
import { openFile } from '../host/open-file';
import { HOLE_UNIT, nonZeroRuns, readFully, writeFully } from '../host/sparse-file';

/**
 * How a file of a box stands in an archive: as it is, or where it has holes in GNU tar's sparse format 1.0 (GNU tar manual, "PAX Format,
 * Version 1.0"): first a map, decimal numbers with a line each (how many runs; of each its offset and length), filled up to a block, then the
 * bytes of the runs one behind the other. GNU tar and bsdtar unpack both.
 */

const BLOCK = 512;
/** Runs of one file: a finer division would only make the map long. */
const RUNS_MAX = 1 << 18;
const CHUNK = 1 << 20;

/** Offset and length of what is not zero. */
type Run = [offset: number, length: number];

export interface ScannedFile {
  size: number;
  /** What is stored of a file with holes; undefined where all of it is. */
  runs?: Run[];
  /** Bytes in the archive. */
  stored: number;
  /** Of these bytes. */
  sha256: string;
}

/** Look through a file, which must not change until it is stored. */
export async function scanFile(
  path: string,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (done: number) => void } = {},
): Promise<ScannedFile> {
  const file = await openFile(path);
  try {
    const { size } = await file.stat();
    let unit = HOLE_UNIT;
    while (unit < CHUNK && size / unit > 2 * RUNS_MAX) unit *= 2;
    const runs: Run[] = [];
    let bytes = 0;
    for await (const { offset, data } of nonZeroRuns(file, { size, unit, signal, onProgress })) {
      const last = runs.at(-1);
      // Where there are too many even so, a gap is stored as what it reads.
      if (last && (last[0] + last[1] === offset || runs.length >= RUNS_MAX)) {
        bytes += offset + data.length - (last[0] + last[1]);
        last[1] = offset + data.length - last[0];
      } else {
        runs.push([offset, data.length]);
        bytes += data.length;
      }
    }
    const scanned = bytes < size ? { size, runs, stored: mapOf(runs, size).length + bytes } : { size, stored: size };
    const hash = createHash('sha256');
    for await (const piece of storedBytes(file, scanned, signal)) hash.update(piece);
    return { ...scanned, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}

/** The bytes that stand in the archive for a file. */
export async function* storedBytes(
  file: FileHandle,
  { size, runs }: Pick<ScannedFile, 'size' | 'runs'>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (runs) yield mapOf(runs, size);
  for (const [offset, length] of runs ?? [[0, size]]) {
    for (let at = offset; at < offset + length; ) {
      signal?.throwIfAborted();
      // The reader may hold it longer than until the next one.
      const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, offset + length - at));
      if ((await readFully(file, buffer, at)) < buffer.length)
        throw new VmError(
          'Resource',
          'A file of the box became shorter while it was read. Close the programs that use it, and try again.',
          { code: 'box-file-shrunk' },
        );
      yield buffer;
      at += buffer.length;
    }
  }
}

/** The header's fields for a file that is called so in the box. */
export function entryOf(path: string, { size, runs, stored }: Omit<ScannedFile, 'sha256'>): TarFile {
  if (!runs) return { path, size };
  return {
    path: `GNUSparseFile.0/${path}`,
    size: stored,
    records: { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': path, 'GNU.sparse.realsize': `${size}` },
  };
}

/** As GNU tar does, a run of no length at the end says where that is. */
function mapOf(runs: readonly Run[], size: number): Uint8Array {
  const last = runs.at(-1);
  const all = last && last[0] + last[1] === size ? runs : [...runs, [size, 0]];
  const text = `${all.length}\n${all.map(([offset, length]) => `${offset}\n${length}\n`).join('')}`;
  const map = new Uint8Array(Math.ceil(text.length / BLOCK) * BLOCK);
  map.set(Buffer.from(text, 'latin1'));
  return map;
}

/**
 * Writes the bytes that stand in an archive for a file back into an empty one that has its length already, and checks them. `damaged` makes the
 * error of what is wrong.
 */
export class EntryWriter {
  private readonly hash = createHash('sha256');
  private map: MapReader | undefined;
  private runs: Run[];
  /** The run that is being written, and how far. */
  private at = 0;
  private within = 0;

  constructor(
    private readonly file: FileHandle,
    private readonly expected: { size: number; sha256: string; isSparse: boolean },
    private readonly damaged: (what: string) => VmError,
  ) {
    this.runs = [[0, expected.size]];
    if (expected.isSparse) this.map = new MapReader(expected.size);
  }

  async write(piece: Uint8Array): Promise<void> {
    this.hash.update(piece);
    let rest: Uint8Array = piece;
    if (this.map) {
      rest = this.map.read(piece);
      if (this.map.isWrong) throw this.damaged('its map of holes is wrong');
      if (!this.map.runs) return;
      this.runs = this.map.runs;
      this.map = undefined;
    }
    while (rest.length > 0) {
      const run = this.runs.at(this.at);
      if (!run) throw this.damaged('it has more bytes than it says');
      const part = rest.subarray(0, run[1] - this.within);
      await writeFully(this.file, part, run[0] + this.within);
      rest = rest.subarray(part.length);
      this.within += part.length;
      if (this.within < run[1]) continue;
      this.at++;
      this.within = 0;
    }
  }

  finish(): void {
    if (this.map || this.runs.slice(this.at).some(([, length]) => length > 0)) throw this.damaged('it has fewer bytes than it says');
    if (this.hash.digest('hex') !== this.expected.sha256) throw this.damaged('its checksum does not fit');
  }
}

/** Reads a map as it comes, byte by byte. */
class MapReader {
  isWrong = false;
  /** When the map is complete. */
  runs: Run[] | undefined;
  private readonly numbers: number[] = [];
  private text = '';
  private bytes = 0;

  constructor(private readonly size: number) {}

  /** Returns what comes behind the map. */
  read(piece: Uint8Array): Uint8Array {
    for (const [index, byte] of piece.entries()) {
      const isComplete = this.numbers.length > 0 && this.numbers.length === 1 + 2 * this.numbers[0];
      if (isComplete && this.bytes % BLOCK === 0) {
        this.finish();
        return piece.subarray(index);
      }
      this.bytes++;
      if (isComplete) continue;
      if (byte !== 0x0a) this.text += String.fromCharCode(byte);
      else {
        this.numbers.push(/^\d+$/.test(this.text) ? Number(this.text) : Number.NaN);
        this.text = '';
      }
      const last = this.numbers.at(-1) ?? 0;
      this.isWrong ||= this.text.length > 16 || !Number.isSafeInteger(last) || this.numbers[0] > RUNS_MAX + 1;
      if (this.isWrong) return piece.subarray(0, 0);
    }
    if (this.numbers.length > 0 && this.numbers.length === 1 + 2 * this.numbers[0] && this.bytes % BLOCK === 0) this.finish();
    return piece.subarray(0, 0);
  }

  private finish(): void {
    this.runs = [];
    let before = 0;
    for (let at = 1; at < this.numbers.length; at += 2) {
      const [offset, length] = this.numbers.slice(at, at + 2);
      this.isWrong ||= offset < before || offset + length > this.size;
      before = offset + length;
      if (length > 0) this.runs.push([offset, length]);
    }
  }
}
