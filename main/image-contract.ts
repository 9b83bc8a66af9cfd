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
  /** It lies here already. */
  isHere: boolean;
  /** Whether it can be told who its user is. */
  readsSeed: boolean;
  /** What it needs of the harts and they do not have, and what those that have it are called; else undefined. */
  missing?: { profile: string; extensions: string };
  /** Bytes of memory that are recommended. */
  memory: number;
  hasScreen: boolean;
}

/** What a new box is told. */
export interface ImageBoxSeed {
  user?: string;
  password?: string;
  hostname?: string;
  locale?: string;
  /** The public SSH keys of this computer's user let them in. */
  withKeys: boolean;
}

export interface ImageRequests {
  'image.list'(): { images: ImageView[]; cacheBytes: number; user: string };
  /** Make a box of an image, which is fetched or made first. Answers its id. */
  'image.create-box'(image: string, values: Record<string, unknown>, seed: ImageBoxSeed, diskSize: number | null, task: string): string;
  'image.cancel'(task: string): void;
  'image.remove'(image: string): void;
  'image.clear-cache'(): void;
}

export interface ImageNotices {
  'image.progress': { task: string; progress: ImageProgress };
}

export const imageRequestNames: Record<keyof ImageRequests, true> = {
  'image.list': true,
  'image.create-box': true,
  'image.cancel': true,
  'image.remove': true,
  'image.clear-cache': true,
};
export const imageNoticeNames: Record<keyof ImageNotices, true> = { 'image.progress': true };
