import type { ImageProgress } from '../engine/catalogue/progress';

/** Requests about the systems of the catalogue. Types and names only, as in contract.ts. */

/** A system of which boxes can be made. */
export interface ImageView {
  id: string;
  name: string;
  kind: 'debian' | 'download';
  icon: string;
  /** What a Debian is for: a text of its own. */
  variant?: 'minimal' | 'developer' | 'desktop';
  /** Bytes that are fetched the first time, roughly. */
  downloadBytes: number;
  /** Bytes on this computer: what it takes, or will take. */
  diskBytes: number;
  /** When what lies here was fetched or made, in milliseconds since 1970; undefined where it is not here. */
  made?: number;
  /** Some process fetches or makes it now. */
  isBeingMade: boolean;
  /** By what it is known that it is its publisher's: a signature, or checksums that came over HTTPS. */
  check: 'signature' | 'checksums';
  /** Whether it can be told who its user is. */
  readsSeed: boolean;
  /** What it needs of the harts and they do not have, and what those that have it are called; else undefined. */
  missing?: { profile: string; extensions: string };
  /** Bytes of the disk of a box: unless it is said, and at least. */
  boxDisk: { usual: number; least: number };
  /** Bytes of memory that are recommended. */
  memory: number;
  hasScreen: boolean;
}

/** What a new box is told. */
export interface ImageBoxSeed {
  user?: string;
  password?: string;
  hostname?: string;
  timezone?: string;
  locale?: string;
  /** The public SSH keys of this computer's user let them in. */
  withKeys: boolean;
  /** And those in this file. */
  keyFile?: string;
}

export interface ImageRequests {
  /** `user`, `keys`: what the user of this computer is called, and the names of the files with their public SSH keys. */
  'image.list'(): { images: ImageView[]; cacheBytes: number; user: string; keys: string[] };
  /** Fails where such a box cannot be. */
  'image.check-box'(image: string, values: Record<string, unknown>, seed: ImageBoxSeed): void;
  /** Make a box of an image, which is fetched or made first. Answers its id. */
  'image.create-box'(image: string, values: Record<string, unknown>, seed: ImageBoxSeed, diskSize: number | null, task: string): string;
  /** Fetch or make an image, for boxes to come; `update`: also where it is here, as it is published now. */
  'image.fetch'(image: string, update: boolean, task: string): void;
  'image.cancel'(task: string): void;
  'image.remove'(image: string): void;
  'image.clear-cache'(): void;
}

export interface ImageNotices {
  'image.progress': { task: string; progress: ImageProgress };
}

export const imageRequestNames: Record<keyof ImageRequests, true> = {
  'image.list': true,
  'image.check-box': true,
  'image.create-box': true,
  'image.fetch': true,
  'image.cancel': true,
  'image.remove': true,
  'image.clear-cache': true,
};
export const imageNoticeNames: Record<keyof ImageNotices, true> = { 'image.progress': true };
