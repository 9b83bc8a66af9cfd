import { z } from 'zod';
import type { AccessSize, BoardDevice, LongAccess } from '../bus/device';
import { DeviceState, bytesSchema, loadBytes, saveBytes, unsigned } from '../bus/device-state';
import { VmError } from '../errors/vm-error';
import type { GuestMemory } from '../memory/guest-memory';
import type { DeviceTreeNode } from '../bus/device-tree';

/** Bytes of its registers. */
export const FW_CFG_BYTES = 0x18;
// Registers (QEMU's fw_cfg, memory-mapped; all but the data are big-endian).
const SELECTOR = 8;
const DMA_HIGH = 16;
const DMA_LOW = 20;

/** Keys of items that are no files. */
export const FW_CFG = {
  SIGNATURE: 0x00,
  FEATURES: 0x01,
  HARTS: 0x05,
  KERNEL_SIZE: 0x08,
  INITRD_SIZE: 0x0b,
  MAX_HARTS: 0x0f,
  KERNEL: 0x11,
  INITRD: 0x12,
  COMMAND_LINE_SIZE: 0x14,
  COMMAND_LINE: 0x15,
  DIRECTORY: 0x19,
  FIRST_FILE: 0x20,
} as const;
const FEATURE_SELECTOR_AND_DATA = 1;
const FEATURE_DMA = 2;
/** What the DMA register reads as: "QEMU CFG". */
const [DMA_SIGNATURE_HIGH, DMA_SIGNATURE_LOW] = [0x51454d55, 0x20434647];

// FWCfgDmaAccess: big-endian u32 control, u32 length, u64 address.
const DMA_BYTES = 16;
const DMA_ERROR = 1;
const DMA_READ = 2;
const DMA_SKIP = 4;
const DMA_SELECT = 8;
const DMA_WRITE = 16;

/** Bytes that are moved at a time: a millisecond or two. */
const DMA_STEP = 4 << 20;

const NAME_BYTES = 56;
const ENTRY_BYTES = 8 + NAME_BYTES;
/** Items behind the first file's key that a 16-bit key with its two flag bits reaches. */
const FILES_MAX = 0x4000 - FW_CFG.FIRST_FILE;
const NOTHING = new Uint8Array(0);

/** Byte order of registers that are big-endian whatever the machine is. */
function swap(value: number, size: AccessSize): number {
  if (size === 1) return value;
  const half = ((value & 0xff) << 8) | ((value >>> 8) & 0xff);
  return size === 2 ? half : (((half << 16) >>> 0) + (((value >>> 24) & 0xff) | ((value >>> 8) & 0xff00))) >>> 0;
}

/**
 * QEMU's firmware configuration device: named pieces of data that firmware and kernel ask for, through a data register or by DMA into
 * their memory. What they may write to is made so.
 */
export class FwCfg implements BoardDevice {
  readonly name: string;
  readonly base: number;
  readonly size = FW_CFG_BYTES;
  /** As on QEMU, a hart that asked for a transfer finds it done. */
  readonly holdsWriters = true;
  private readonly items = new Map<number, Uint8Array>();
  private readonly files = new Map<string, Uint8Array>();
  /** Files that the guest may write, and who is told. */
  private readonly written = new Map<Uint8Array, () => void>();
  private key: number = FW_CFG.SIGNATURE;
  private selected: Uint8Array = NOTHING;
  private at = 0;
  private dmaHigh = 0;

  /** The items are the machine's configuration, not state, but for those that the guest writes. */
  readonly state = new DeviceState(this, {
    version: 2,
    schema: z.strictObject({ key: unsigned(16), at: unsigned(53), dmaHigh: unsigned(32), written: z.array(bytesSchema) }),
    save: () => ({ key: this.key, at: this.at, dmaHigh: this.dmaHigh, written: [...this.written.keys()].map(saveBytes) }),
    load: ({ key, at, dmaHigh, written }, refuse) => {
      const contents = written.map(loadBytes);
      const files = [...this.written.keys()];
      if (contents.length !== files.length || contents.some(({ length }, i) => length !== files[i].length))
        refuse('what the guest wrote to it is not for its files');
      return () => {
        for (const [i, bytes] of contents.entries()) this.rewrite(files[i], bytes);
        this.select(key);
        this.at = at;
        this.dmaHigh = dmaHigh;
      };
    },
  });

  constructor(
    base: number,
    private readonly memory: GuestMemory,
    harts: number,
  ) {
    this.base = base;
    this.name = `fw-cfg@${base.toString(16)}`;
    this.items.set(FW_CFG.SIGNATURE, new TextEncoder().encode('QEMU'));
    this.items.set(FW_CFG.FEATURES, uint32(FEATURE_SELECTOR_AND_DATA | FEATURE_DMA));
    this.items.set(FW_CFG.HARTS, uint32(harts).subarray(0, 2));
    this.items.set(FW_CFG.MAX_HARTS, uint32(harts).subarray(0, 2));
    this.listFiles();
    this.select(FW_CFG.SIGNATURE);
  }

  /** Sets an item that has a key of its own, and what says how long it is. */
  setItem(key: number, bytes: Uint8Array, sizeKey?: number): void {
    this.items.set(key, bytes);
    if (sizeKey !== undefined) this.items.set(sizeKey, uint32(bytes.length));
  }

  /** Sets a file. Throws VmError 'Config' for a name that is too long or not printable ASCII. */
  setFile(name: string, bytes: Uint8Array): void {
    if (!/^[\x21-\x7e]+$/.test(name) || name.length >= NAME_BYTES)
      throw VmError.config(
        `A name in fw_cfg has 1 to ${NAME_BYTES - 1} printable ASCII characters without spaces; "${name}" is not such a name.`,
        { code: 'fw-cfg-name', params: { name, most: NAME_BYTES - 1 } },
      );
    if (!this.files.has(name) && this.files.size >= FILES_MAX)
      throw VmError.config(`fw_cfg takes at most ${FILES_MAX} files.`, { code: 'fw-cfg-full', params: { most: FILES_MAX } });
    this.files.set(name, bytes);
    this.listFiles();
  }

  /** As setFile(), for one that the guest writes: `changed` is called after each write of it, and after a reset, which makes it zeros. */
  setWritableFile(name: string, length: number, changed: (bytes: Uint8Array) => void): void {
    const bytes = new Uint8Array(length);
    this.setFile(name, bytes);
    this.written.set(bytes, () => changed(bytes));
  }

  reset(): void {
    for (const bytes of this.written.keys()) this.rewrite(bytes, new Uint8Array(bytes.length));
    this.select(FW_CFG.SIGNATURE);
    this.dmaHigh = 0;
  }

  read(offset: number, size: AccessSize): number {
    if (offset < SELECTOR) {
      let value = 0;
      for (let i = 0; i < size; i++) value += (this.selected[this.at++] ?? 0) * 2 ** (8 * i);
      return value;
    }
    if (offset === DMA_HIGH && size === 4) return swap(DMA_SIGNATURE_HIGH, 4);
    if (offset === DMA_LOW && size === 4) return swap(DMA_SIGNATURE_LOW, 4);
    return 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    const transfer = this.begin(offset, size, value);
    while (transfer && !transfer.next().done);
  }

  begin(offset: number, size: AccessSize, value: number): LongAccess | undefined {
    if (offset === SELECTOR && size === 2) this.select(swap(value, 2));
    else if (offset === DMA_HIGH && size === 4) this.dmaHigh = swap(value, 4);
    else if (offset === DMA_LOW && size === 4) {
      const address = this.dmaHigh * 0x1_0000_0000 + swap(value, 4);
      this.dmaHigh = 0;
      return this.access(address);
    }
    return undefined;
  }

  /** The node that describes it, at the root of the tree as in QEMU's. */
  rootNode(): DeviceTreeNode {
    return {
      name: this.name,
      properties: { compatible: 'qemu,fw-cfg-mmio', reg: [{ u64: this.base }, { u64: this.size }], 'dma-coherent': true },
    };
  }

  private select(key: number): void {
    this.key = key;
    this.selected = this.items.get(key) ?? NOTHING;
    this.at = 0;
  }

  /** What the guest's record at `address` asks for; the answer is its control word. */
  private *access(address: number): Generator<void, void> {
    const { memory } = this;
    const record = memory.offsetOf(address, DMA_BYTES, true);
    // There is nowhere to say so.
    if (record < 0) return;
    const control = memory.data.getUint32(record);
    const length = memory.data.getUint32(record + 4);
    const target = memory.data.getUint32(record + 8) * 0x1_0000_0000 + memory.data.getUint32(record + 12);
    if (control & DMA_SELECT) this.select(control >>> 16);
    let answer = 0;
    if (control & DMA_READ) {
      const to = memory.offsetOf(target, length, true);
      if (to < 0) answer = DMA_ERROR;
      else {
        const { selected, at } = this;
        this.at = Math.min(at + length, selected.length);
        for (let done = 0; done < length; done += DMA_STEP) {
          if (done > 0) yield;
          const part = Math.min(DMA_STEP, length - done);
          const bytes = selected.subarray(at + done, at + done + part);
          memory.bytes.set(bytes, to + done);
          memory.bytes.fill(0, to + done + bytes.length, to + done + part);
          memory.wrote(target + done, part);
        }
      }
    } else if (control & DMA_WRITE) {
      const from = memory.offsetOf(target, length);
      const { selected, at } = this;
      const changed = this.written.get(selected);
      // Nothing is written where not all can be.
      if (!changed || from < 0 || at + length > selected.length) answer = DMA_ERROR;
      else {
        selected.set(memory.bytes.subarray(from, from + length), at);
        this.at = at + length;
        changed();
      }
    } else if (control & DMA_SKIP) this.at = Math.min(this.at + length, this.selected.length);
    // The guest waits for this word: it comes last.
    memory.data.setUint32(record, answer);
    memory.wrote(address, 4);
  }

  private rewrite(file: Uint8Array, bytes: Uint8Array): void {
    file.set(bytes);
    this.written.get(file)?.();
  }

  private listFiles(): void {
    const names = [...this.files.keys()].sort();
    const directory = new Uint8Array(4 + names.length * ENTRY_BYTES);
    const view = new DataView(directory.buffer);
    view.setUint32(0, names.length);
    names.forEach((name, i) => {
      const bytes = this.files.get(name) as Uint8Array;
      const key = FW_CFG.FIRST_FILE + i;
      const entry = 4 + i * ENTRY_BYTES;
      view.setUint32(entry, bytes.length);
      view.setUint16(entry + 4, key);
      directory.set(new TextEncoder().encode(name), entry + 8);
      this.items.set(key, bytes);
    });
    this.items.set(FW_CFG.DIRECTORY, directory);
  }
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
