import { z } from 'zod';
import type { AccessSize, BoardDevice } from '../bus/device';
import { DeviceState, unsigned, wordList } from '../bus/device-state';
import type { DeviceTreeNode } from '../bus/device-tree';
import {
  HART_IMSIC,
  HART_STRIDE,
  HARTS_BASE,
  IMSIC_DELIVERY,
  IMSIC_ENABLED,
  IMSIC_FILE_BYTES,
  IMSIC_IDENTITIES,
  IMSIC_THRESHOLD,
  MACHINE_IMSICS,
} from '../memory/layout';
import { MEIP, SEIP, setHartLine } from './hart-lines';

const PAGE = 4096;
const ENABLED = IMSIC_ENABLED >>> 2;
const DELIVERY = IMSIC_DELIVERY >>> 2;
const THRESHOLD = IMSIC_THRESHOLD >>> 2;

const fileSchema = z.strictObject({
  pending: wordList(ENABLED),
  enabled: wordList(ENABLED),
  eidelivery: unsigned(1),
  eithreshold: unsigned(11),
});

/**
 * The interrupt files of one privilege level, one in each hart's IMSIC (RISC-V AIA 1.0 §3), as a bus sees them: a page each, where
 * a write of an interrupt identity makes it pending. The files lie in the shared memory. Any thread sends, without a lock; the hart itself
 * claims and configures through its CSRs (hart/helpers/aia.ts). Harts have those CSRs as soon as an instance of this was made.
 */
export class Imsics implements BoardDevice {
  readonly name: string;
  readonly base: number;
  readonly size: number;
  readonly accessSizes = { min: 4, max: 4 } as const;
  private readonly words: Int32Array;
  private readonly harts: number;
  private readonly line: number;
  private readonly first: number;
  readonly state: DeviceState;

  /** @param options.base guest-physical address of hart 0's page */
  constructor(options: { memory: WebAssembly.Memory; base: number; harts: number; level: 'machine' | 'supervisor' }) {
    const { harts, level } = options;
    this.base = options.base;
    this.name = `imsics@${options.base.toString(16)}`;
    // Pages up to the next power of two belong to no hart and read as zero (§3.6).
    this.size = PAGE << (32 - Math.clz32(harts - 1));
    this.harts = harts;
    this.line = level === 'machine' ? MEIP : SEIP;
    this.first = (HARTS_BASE + HART_IMSIC + (level === 'machine' ? 0 : IMSIC_FILE_BYTES)) >>> 2;
    this.words = new Int32Array(options.memory.buffer);
    Atomics.store(this.words, MACHINE_IMSICS >>> 2, 1);
    const copy = (at: number): number[] => Array.from(this.words.subarray(at, at + ENABLED), (word) => word >>> 0);
    this.state = new DeviceState(this, {
      version: 1,
      schema: z.strictObject({ harts: z.array(fileSchema).length(harts) }),
      save: () => ({
        harts: Array.from({ length: harts }, (_, hart) => {
          const file = this.file(hart);
          const [eidelivery, eithreshold] = this.words.subarray(file + DELIVERY, file + THRESHOLD + 1);
          return { pending: copy(file), enabled: copy(file + ENABLED), eidelivery, eithreshold };
        }),
      }),
      load: (saved, refuse) => {
        // There is no identity 0.
        if (saved.harts.some(({ pending, enabled }) => ((pending[0] | enabled[0]) & 1) !== 0)) refuse('identity 0 is pending or enabled');
        return () => {
          for (const [hart, file] of saved.harts.entries()) this.set(hart, file);
        };
      },
    });
  }

  read(_offset: number, _size: AccessSize): number {
    return 0;
  }

  /** seteipnum_le is the only register: the machine is little-endian (§3.5). */
  write(offset: number, _size: AccessSize, value: number): void {
    if (offset % PAGE === 0) this.send(offset / PAGE, value);
  }

  /** Make an identity pending at a hart. What no hart or no identity is is ignored. From any thread. */
  send(hart: number, identity: number): void {
    if (!(hart < this.harts && identity >= 1 && identity <= IMSIC_IDENTITIES)) return;
    const { words } = this;
    const file = this.file(hart);
    const bit = 1 << (identity & 31);
    if ((Atomics.or(words, file + (identity >>> 5), bit) & bit) !== 0) return;
    // The hart looks at what is pending after it has changed one of these.
    if (Atomics.load(words, file + DELIVERY) === 0) return;
    const threshold = Atomics.load(words, file + THRESHOLD);
    if (threshold !== 0 && identity >= threshold) return;
    if ((Atomics.load(words, file + ENABLED + (identity >>> 5)) & bit) !== 0) setHartLine(words, hart, this.line, true);
  }

  /** Nothing pending, nothing enabled, no delivery. No hart may be running. */
  reset(): void {
    const none = new Array<number>(ENABLED).fill(0);
    for (let hart = 0; hart < this.harts; hart++) this.set(hart, { pending: none, enabled: none, eidelivery: 0, eithreshold: 0 });
  }

  private set(hart: number, { pending, enabled, eidelivery, eithreshold }: z.output<typeof fileSchema>): void {
    const file = this.file(hart);
    this.words.set(pending, file);
    this.words.set(enabled, file + ENABLED);
    this.words[file + DELIVERY] = eidelivery;
    this.words[file + THRESHOLD] = eithreshold;
    // Where too much is signalled the hart finds out.
    const signalled = pending.some((word, i) => (word & enabled[i]) !== 0);
    setHartLine(this.words, hart, this.line, signalled && eidelivery !== 0);
  }

  /** `label` of the node: imsic_m or imsic_s. */
  deviceTreeNode(): DeviceTreeNode {
    const machine = this.line === MEIP;
    return {
      name: this.name,
      label: machine ? 'imsic_m' : 'imsic_s',
      properties: {
        compatible: 'riscv,imsics',
        reg: [{ u64: this.base }, { u64: this.harts * PAGE }],
        'interrupt-controller': true,
        '#interrupt-cells': [0],
        'msi-controller': true,
        '#msi-cells': [0],
        'interrupts-extended': Array.from({ length: this.harts }, (_, hart) => [{ ref: `cpu${hart}_intc` }, machine ? 11 : 9]).flat(),
        'riscv,num-ids': [IMSIC_IDENTITIES],
        'riscv,ipi-id': [1],
      },
    };
  }

  /** Index of the first word of a hart's file. */
  private file(hart: number): number {
    return this.first + ((hart * HART_STRIDE) >>> 2);
  }
}
