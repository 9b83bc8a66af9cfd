import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { unfitFileName } from './file-name';
import { hostFiles } from './patient-files';

/** Longest name, and how deep: more than any program uses. */
const NAME_MAX = 4096;
const DEPTH_MAX = 64;

/** What the host, or this, says of a name. `code` as the host's: ENOENT, EACCES. */
function refusal(code: string, name: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${name}`), { code });
}

/** A place in the folder: what to give the host for the name, and what to close when done. */
interface Place {
  path: string;
  close: () => Promise<void>;
}

/**
 * Files below one folder, for somebody who must not reach anything else: names are taken apart, and no link is followed, whoever puts links
 * there meanwhile. On Linux every step starts from an open folder (openat has no counterpart in Node: /proc/self/fd stands for it); elsewhere
 * steps are checked, and what was opened is compared with what was checked. Only regular files are touched, and none is waited for.
 */
export class ConfinedFolder {
  private constructor(
    private readonly root: string,
    /** Undefined where names are walked by path. */
    private readonly handle: FileHandle | undefined,
    private readonly platform: NodeJS.Platform,
  ) {}

  /** Throws what the host says where it is no folder that can be used. */
  static async open(path: string, platform: NodeJS.Platform = process.platform): Promise<ConfinedFolder> {
    const root = await realpath(path);
    const status = await lstat(root);
    if (!status.isDirectory()) throw refusal('ENOTDIR', path);
    const handle = platform === 'linux' ? await open(root, constants.O_RDONLY | constants.O_DIRECTORY) : undefined;
    return new ConfinedFolder(root, handle, platform);
  }

  async close(): Promise<void> {
    await this.handle?.close();
  }

  /** Open a file as open(2) with these flags; what is made may be read and written by those that the umask lets. Throws with a `code`. */
  async openFile(name: string, flags: number): Promise<FileHandle> {
    const place = await this.locate(name);
    try {
      const before = await statusOf(place.path);
      if (before) mustBeFile(before, name);
      const extra = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);
      // What is cut when it is opened is cut when it is known to be the right one.
      const file = await open(place.path, (flags | extra) & ~constants.O_TRUNC, 0o666);
      try {
        const after = await file.stat();
        mustBeFile(after, name);
        if (before && (before.ino !== after.ino || before.dev !== after.dev)) throw refusal('EAGAIN', name);
        if (!this.handle) await this.mustBeInside(place.path, after, name);
        if (flags & constants.O_TRUNC) await file.truncate(0);
        return file;
      } catch (error) {
        await file.close();
        throw error;
      }
    } finally {
      await place.close();
    }
  }

  /** Remove a file. Throws with a `code`. */
  async remove(name: string): Promise<void> {
    const place = await this.locate(name);
    try {
      mustBeFile(await lstat(place.path), name);
      await hostFiles.remove(place.path);
    } finally {
      await place.close();
    }
  }

  /** Give a file another name, in place of a file that has it. Throws with a `code`. */
  async rename(from: string, to: string): Promise<void> {
    const source = await this.locate(from);
    try {
      const target = await this.locate(to);
      try {
        mustBeFile(await lstat(source.path), from);
        const there = await statusOf(target.path);
        if (there) mustBeFile(there, to);
        await hostFiles.rename(source.path, target.path);
      } finally {
        await target.close();
      }
    } finally {
      await source.close();
    }
  }

  /** A name's parts; those of `/a/b` are below the folder too. */
  private parts(name: string): string[] {
    if (name.length > NAME_MAX) throw refusal('ENAMETOOLONG', name.slice(0, 100));
    const parts = name.split('/').filter((part) => part !== '' && part !== '.');
    if (parts.length === 0) throw refusal(name === '' ? 'ENOENT' : 'EISDIR', name);
    if (parts.length > DEPTH_MAX) throw refusal('ENAMETOOLONG', name.slice(0, 100));
    for (const part of parts) {
      if (part === '..' || part.includes('\0')) throw refusal('EACCES', name);
      if (this.platform === 'win32' && unfitFileName(part) !== undefined) throw refusal('EACCES', name);
    }
    return parts;
  }

  private async locate(name: string): Promise<Place> {
    const parts = this.parts(name);
    const last = parts.pop() as string;
    return this.handle ? this.locateFrom(this.handle, parts, last) : this.locateByPath(parts, last, name);
  }

  private async locateFrom(root: FileHandle, folders: readonly string[], last: string): Promise<Place> {
    let folder = root;
    const leave = async (): Promise<void> => {
      if (folder !== root) await folder.close();
    };
    try {
      for (const part of folders) {
        const next = await open(`/proc/self/fd/${folder.fd}/${part}`, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
        await leave();
        folder = next;
      }
    } catch (error) {
      await leave();
      throw error;
    }
    return { path: `/proc/self/fd/${folder.fd}/${last}`, close: leave };
  }

  private async locateByPath(folders: readonly string[], last: string, name: string): Promise<Place> {
    let path = this.root;
    for (const part of folders) {
      path = join(path, part);
      if (!(await lstat(path)).isDirectory()) throw refusal('ENOTDIR', name);
    }
    return { path: join(path, last), close: () => Promise.resolve() };
  }

  /** Whether what was opened by a path still is what lies there, with no link on the way. */
  private async mustBeInside(path: string, opened: Stats, name: string): Promise<void> {
    const real = await realpath(path);
    const now = await lstat(real);
    if (real !== path || now.ino !== opened.ino || now.dev !== opened.dev) throw refusal('EACCES', name);
  }
}

function statusOf(path: string): Promise<Stats | undefined> {
  return lstat(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
}

function mustBeFile(status: Stats, name: string): void {
  if (status.isDirectory()) throw refusal('EISDIR', name);
  if (status.isSymbolicLink()) throw refusal('ELOOP', name);
  if (!status.isFile()) throw refusal('EACCES', name);
}
