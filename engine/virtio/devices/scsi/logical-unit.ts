import { z } from 'zod';
import { unsigned } from '../../../bus/device-state';
import { SECTOR, type AsyncBlockDevice } from '../../../backend/disk/async-block-device';
import { VmError } from '../../../errors/vm-error';
import { SENSE, type Sense } from './sense';

const kinds = z.enum(['disk', 'cdrom']);
export type UnitKind = z.output<typeof kinds>;

export interface LogicalUnitOptions {
  /** A fixed disk, or a drive for removable, read-only discs. */
  kind?: UnitKind;
  /** The disk, or the disc in the drive; only a CD-ROM drive may be empty. */
  medium?: AsyncBlockDevice;
  /** At most 20 printable ASCII characters. */
  serial?: string;
  /** Bytes of a logical block: a disk's 512 (default) or 4096, a disc's always 2048. */
  blockSize?: number;
}

/** What GET EVENT STATUS NOTIFICATION tells next (MMC-6 §6.6). */
const mediaEvents = z.enum(['none', 'ejectRequest', 'newMedia', 'mediaRemoval']);
export type MediaEvent = z.output<typeof mediaEvents>;

/** Bytes of the serial number in the VPD page 80h; Linux and udev show it. */
const SERIAL_MAX = 20;
const ATTENTIONS_MAX = 8;
const DISC_BLOCK = 2048;

/** A logical unit's own state. */
export const logicalUnitSchema = z.strictObject({
  kind: kinds,
  attentions: z.array(z.strictObject({ key: unsigned(4), code: unsigned(8), qualifier: unsigned(8) })).max(ATTENTIONS_MAX),
  trayOpen: z.boolean(),
  locked: z.boolean(),
  writeCache: z.boolean(),
  mediaEvent: mediaEvents,
});
type LogicalUnitState = z.output<typeof logicalUnitSchema>;

/** A SCSI logical unit: what commands are addressed to, and the state that they share (SAM-6 §4.8). */
export class LogicalUnit {
  readonly kind: UnitKind;
  readonly serial: string;
  readonly blockSize: number;
  /** Whether writes may stay in the host's cache until a flush: the caching mode page's WCE. */
  writeCache = true;
  trayOpen = false;
  /** PREVENT ALLOW MEDIUM REMOVAL. */
  locked = false;
  mediaEvent: MediaEvent = 'none';
  #medium: AsyncBlockDevice | undefined;
  /** Waiting to be told, the oldest first (SAM-6 §5.14). */
  #attentions: Sense[] = [SENSE.powerOn];

  constructor({ kind = 'disk', medium, serial = '', blockSize = kind === 'cdrom' ? DISC_BLOCK : SECTOR }: LogicalUnitOptions) {
    if (!/^[ -~]*$/.test(serial) || serial.length > SERIAL_MAX)
      throw VmError.config(`The serial number "${serial}" cannot be used: it has at most ${SERIAL_MAX} printable ASCII characters.`, {
        code: 'serial-too-long',
        params: { serial, most: SERIAL_MAX },
      });
    if (kind === 'cdrom' ? blockSize !== DISC_BLOCK : blockSize !== 512 && blockSize !== 4096)
      throw VmError.config(`A ${kind} cannot have blocks of ${blockSize} bytes: a disk has 512 or 4096, a CD-ROM has 2048.`, {
        code: 'block-size-wrong',
        params: { bytes: blockSize },
      });
    if (kind === 'disk' && !medium) throw VmError.config('A SCSI disk needs a disk image; only a CD-ROM drive may be empty.');
    this.kind = kind;
    this.serial = serial;
    this.blockSize = blockSize;
    this.#check(medium);
    this.#medium = medium;
  }

  /** The disc that is to be seen: none while the tray is open. */
  get medium(): AsyncBlockDevice | undefined {
    return this.trayOpen ? undefined : this.#medium;
  }

  /** What lies in the drive, also while its tray is open. */
  get inserted(): AsyncBlockDevice | undefined {
    return this.#medium;
  }

  get readonly(): boolean {
    return this.kind === 'cdrom' || (this.#medium?.readonly ?? true);
  }

  /** Number of logical blocks of what is to be seen. */
  get blocks(): number {
    return Math.floor((this.medium?.size ?? 0) / this.blockSize);
  }

  /** Put another disc into the drive, or none, and close its tray. Returns the one that was in it. */
  changeMedium(medium: AsyncBlockDevice | undefined): AsyncBlockDevice | undefined {
    this.#check(medium);
    const before = this.#medium;
    this.#medium = medium;
    this.trayOpen = false;
    this.mediaEvent = medium ? 'newMedia' : 'mediaRemoval';
    this.attend(SENSE.mediumMayHaveChanged);
    return before;
  }

  openTray(): void {
    if (!this.trayOpen) this.mediaEvent = 'mediaRemoval';
    this.trayOpen = true;
  }

  closeTray(): void {
    if (this.trayOpen && this.#medium) {
      this.mediaEvent = 'newMedia';
      this.attend(SENSE.mediumMayHaveChanged);
    }
    this.trayOpen = false;
  }

  /** Tell the driver of something by a unit attention condition at its next command. */
  attend(sense: Sense): void {
    if (this.#attentions.some(({ code, qualifier }) => code === sense.code && qualifier === sense.qualifier)) return;
    if (this.#attentions.length < ATTENTIONS_MAX) this.#attentions.push(sense);
  }

  takeAttention(): Sense | undefined {
    return this.#attentions.shift();
  }

  /** As after power-on, or after a reset of the unit. */
  reset(attention: Sense = SENSE.powerOn): void {
    this.#attentions = [attention];
    this.locked = false;
    this.writeCache = true;
  }

  save(): LogicalUnitState {
    const { kind, trayOpen, locked, writeCache, mediaEvent } = this;
    return { kind, attentions: [...this.#attentions], trayOpen, locked, writeCache, mediaEvent };
  }

  load(state: LogicalUnitState): void {
    this.#attentions = state.attentions;
    this.trayOpen = state.trayOpen;
    this.locked = state.locked;
    this.writeCache = state.writeCache;
    this.mediaEvent = state.mediaEvent;
  }

  #check(medium: AsyncBlockDevice | undefined): void {
    if (medium && medium.size < this.blockSize)
      throw new VmError(
        'Image',
        `${medium.name} has ${medium.size} bytes, less than one block of ${this.blockSize} bytes. Is it truncated?`,
        { code: 'disk-too-small', params: { path: medium.name } },
      );
  }
}
