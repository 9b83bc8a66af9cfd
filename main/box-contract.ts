import type { TrashedBox } from '../engine/runner/trash';
import type { HostFacts } from '../engine/settings/option';

/** Requests about boxes as such: their settings, and making, copying and removing them. Types and names only, as in contract.ts. */

/** What a file holds, as far as its first bytes and its name tell. */
export type FileKind = 'disk' | 'iso' | 'kernel' | 'elf' | 'unsupported' | 'unknown';

export interface FileProbe {
  path: string;
  kind: FileKind;
  /** Bytes. */
  size: number;
  /** What it is called: `qcow2`, `VMDK`. */
  format?: string;
  /** Why nothing can be said. */
  problem?: 'missing' | 'folder' | 'special' | 'unreadable' | 'empty';
}

/** A box's settings. */
export interface BoxSettings {
  id: string;
  /** What its file sets, by key. */
  set: Record<string, unknown>;
  /** Those, and the defaults of all others. */
  values: Record<string, unknown> & { name: string };
  /** Some process runs it. */
  running: boolean;
  /** Stands for these very values: another one when they were changed. */
  revision: string;
}

/** `stale`: the file was changed since, nothing was done. Else which of the changed keys took effect at once, and which wait for a restart. */
export type BoxChange = { stale: true; settings: BoxSettings } | { stale: false; settings: BoxSettings; live: string[]; restart: string[] };

/** What a file is looked for: decides what kinds the dialog offers. Keys of options that name a file, and what a drive may be. */
export const FILE_PURPOSES = [
  'iso',
  'drive',
  'kernel',
  'initrd',
  'firmware',
  'flashCode',
  'flashVars',
  'fwCfg',
  'load',
  'dtb',
  'semihostingFolder',
  'folder',
  'sshKey',
] as const;
export type FilePurpose = (typeof FILE_PURPOSES)[number];

export interface NewDisk {
  /** Bytes. */
  size: number;
  format?: 'qcow2' | 'raw';
}

/** A drive's image, as far as its files go. */
export interface DriveImage {
  file: string;
  format?: 'auto' | 'raw' | 'qcow2';
}

/** A file that a disk image names outside of its folder, and may not use until the user allows it (engine/backend/disk/image-reference.ts). */
export interface OutsideFile {
  image: string;
  /** A backing file is read, a data file also written to. */
  kind: 'backing' | 'data';
  /** As the image has it, and as a path of this computer. */
  name: string;
  file: string;
}

/** Something that a crash has left, and that this start of the app has put right: so many boxes or images. */
export interface Recovered {
  what: 'half-made' | 'half-deleted' | 'half-written' | 'unused-images' | 'interrupted' | 'failed';
  count: number;
  /** With `interrupted`: boxes that ran. */
  names: string[];
}

export interface BoxRequests {
  'box.host-facts'(): HostFacts;
  'box.settings'(box: string): BoxSettings;
  /** Answers its id. The new disk comes behind the drives that the values name. */
  'box.create'(values: Record<string, unknown>, disk: NewDisk | null): string;
  /** Set these; what is null is no longer set. */
  'box.change'(box: string, changes: Record<string, unknown>, revision: string): BoxChange;
  'box.probe-file'(path: string): FileProbe;
  /** The path that the user picked; null if none. */
  'box.pick-file'(purpose: FilePurpose): string | null;
  /** Make an empty disk in the box's folder. Answers its path; it is not yet one of the box's drives. */
  'box.create-disk'(box: string, disk: NewDisk): string;
  /** Answers the id of the copy. `linked`: its disks show those of the original, and keep only what changes. */
  'box.clone'(box: string, linked: boolean, task: string): string;
  /** What the images of these drives, and those below them, may not use yet. */
  'box.outside-files'(drives: DriveImage[]): OutsideFile[];
  /** The user allows these. */
  'box.allow-files'(files: OutsideFile[]): void;
  /** Into the trash. Answers its name there. */
  'box.remove'(box: string): string;
  /** What is in the trash, the last removed first. */
  'box.trashed'(): TrashedBox[];
  /** Bring a box back from the trash, by its name there. Answers its id: another one where its own was taken. */
  'box.restore'(trashId: string): string;
  /** Delete these boxes in the trash for good. */
  'box.purge'(trashIds: string[]): void;
  /** Write the box into a file that the user picks; answers its path, null if none was picked. */
  'box.export'(box: string, task: string): string | null;
  /** Make a box of such a file that the user picks, or of this one. Answers its id. */
  'box.import'(file: string | null, task: string): string | null;
  /** What this start of the app has found of a crash; told once. */
  'box.recovered'(): Recovered[];
  /** Give up on a task that was begun. */
  'box.cancel'(task: string): void;
}

export interface BoxNotices {
  /** How far a task that takes time is, in bytes; `total` is 0 while that is not known. */
  'box.progress': { task: string; done: number; total: number };
  /** Boxes appeared, vanished or changed, by whatever program. */
  'box.changed': { ids: string[] };
}

export const boxRequestNames: Record<keyof BoxRequests, true> = {
  'box.host-facts': true,
  'box.settings': true,
  'box.create': true,
  'box.change': true,
  'box.probe-file': true,
  'box.pick-file': true,
  'box.create-disk': true,
  'box.clone': true,
  'box.outside-files': true,
  'box.allow-files': true,
  'box.remove': true,
  'box.trashed': true,
  'box.restore': true,
  'box.purge': true,
  'box.export': true,
  'box.import': true,
  'box.recovered': true,
  'box.cancel': true,
};
export const boxNoticeNames: Record<keyof BoxNotices, true> = { 'box.progress': true, 'box.changed': true };
