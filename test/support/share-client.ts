import type { SharedFolder } from '../../engine/backend/share/shared-folder';

/** The answer is an error. */
export class ShareError extends Error {
  constructor(readonly errno: number) {
    super(`the share answered with error ${errno}`);
  }
}

/** What is given; times in seconds. */
export interface GivenAttributes {
  mode?: number;
  uid?: number;
  gid?: number;
  size?: number;
  accessed?: number;
  modified?: number;
}

/**
 * A guest's driver of a shared folder, whatever it speaks. Files have numbers (fids), of which 0 is the share's root; what is open is open by
 * the same number. All reject with ShareError.
 */
export interface ShareClient {
  /** A new fid for what lies below another. */
  walk(fid: number, ...names: string[]): Promise<number>;
  /** A file, with flags of open(2). */
  open(fid: number, flags?: number): Promise<void>;
  /** A new fid of a file that is open. */
  create(parent: number, name: string, flags?: number, mode?: number): Promise<number>;
  read(fid: number, offset?: number, count?: number): Promise<Buffer>;
  write(fid: number, data: Uint8Array, offset?: number): Promise<number>;
  clunk(fid: number): Promise<void>;
  setattr(fid: number, given: GivenAttributes): Promise<void>;
  /** Its mode and its size. */
  getattr(fid: number): Promise<{ mode: number; size: number; uid: number; gid: number; modified: number }>;
  mkdir(parent: number, name: string): Promise<unknown>;
  symlink(parent: number, name: string, target: string): Promise<unknown>;
  mknod(parent: number, name: string, mode: number): Promise<unknown>;
  unlink(parent: number, name: string): Promise<unknown>;
  rmdir(parent: number, name: string): Promise<unknown>;
  rename(from: number, name: string, to: number, newName: string): Promise<unknown>;
  link(fid: number, parent: number, name: string): Promise<unknown>;
  /** What a listing of it begins with, as it comes. */
  list(fid: number): Promise<Buffer>;
  names(parent: number): Promise<string[]>;
  attributes(fid: number): Promise<string[]>;
  attribute(fid: number, name: string): Promise<Buffer>;
  setAttribute(fid: number, name: string, value: Uint8Array): Promise<void>;
  removeAttribute(fid: number, name: string): Promise<void>;
  /** Opens, reads from the start, lets go. */
  readFile(parent: number, ...names: string[]): Promise<string>;
  /** Lets go of all. */
  close(): Promise<void>;
}

export interface ShareProtocol {
  name: string;
  attach(folder: SharedFolder): Promise<ShareClient>;
}
