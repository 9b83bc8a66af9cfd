import { readdir, stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';

/** How often is looked, in milliseconds; a folder that takes long to look through is looked at less. */
const LOOK_MS = 400;
const IDLE_SHARE = 20;
/** Who saves so often a file so soon after a build, in milliseconds, is a program, a log say, and the file no source. */
const SOON_MS = 1500;
const SOON_MAX = 3;
/** Files that are looked at; in folders with more the others go unnoticed. */
const FILES_MAX = 20_000;
/** Folders that hold what is made, or what others have written. */
const OTHERS = new Set(['node_modules', 'target', '__pycache__']);

/**
 * Tells when somebody saves a file in a folder, by looking at times and sizes: that works on every system, on network drives, and with
 * editors that put a new file in the place of the old. Hidden files and copies that editors keep do not count.
 */
export class SourceWatch {
  private known: ReadonlyMap<string, string> = new Map();
  /** What was seen to be saved before: by people, not by builds. */
  private readonly saved = new Set<string>();
  private readonly ignored: Set<string>;
  /** How often in succession a file was saved soon after a build. */
  private readonly soon = new Map<string, number>();
  private releasedAt = 0;
  private timer: NodeJS.Timeout | undefined;
  private isHeld = true;
  private looks = 0;

  /** @param ignored Files that change by themselves: what a build makes and the box writes to. */
  constructor(
    readonly folder: string,
    ignored: readonly string[],
    private readonly onSave: (path: string) => void,
  ) {
    this.ignored = new Set(ignored.map((path) => resolve(path)));
  }

  /** Before a build: what changes now is its work. */
  hold(): void {
    this.isHeld = true;
    clearTimeout(this.timer);
    this.looks++;
  }

  /** After it, and at first. What somebody saved meanwhile is told if it is a file that was saved before. */
  async release(): Promise<void> {
    const before = this.known;
    const number = this.looks;
    const now = await this.look();
    // Ended meanwhile, or the next build has begun.
    if (number !== this.looks) return;
    this.known = now;
    this.isHeld = false;
    this.releasedAt = performance.now();
    const saved = [...this.saved].find((path) => before.get(path) !== now.get(path));
    if (saved === undefined) this.again(LOOK_MS);
    else this.report(saved);
  }

  /** For good. */
  end(): void {
    this.hold();
  }

  private again(delay: number): void {
    const number = ++this.looks;
    this.timer = setTimeout(() => void this.compare(number), delay);
  }

  private async compare(number: number): Promise<void> {
    const start = performance.now();
    const now = await this.look();
    if (this.isHeld || number !== this.looks) return;
    const before = this.known;
    this.known = now;
    const changed = [...new Set([...before.keys(), ...now.keys()])].find(
      (path) => before.get(path) !== now.get(path) && !this.ignored.has(join(this.folder, path)),
    );
    if (changed === undefined) {
      this.again(Math.max(LOOK_MS, (performance.now() - start) * IDLE_SHARE));
      return;
    }
    this.report(changed);
  }

  private report(changed: string): void {
    const times = performance.now() - this.releasedAt < SOON_MS ? (this.soon.get(changed) ?? 0) + 1 : 0;
    this.soon.set(changed, times);
    if (times > SOON_MAX) {
      this.ignored.add(join(this.folder, changed));
      this.saved.delete(changed);
      this.again(LOOK_MS);
      return;
    }
    this.saved.add(changed);
    this.onSave(changed);
  }

  private async look(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const walk = async (folder: string): Promise<void> => {
      for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
        const { name } = entry;
        if (found.size >= FILES_MAX) return;
        if (name.startsWith('.') || OTHERS.has(name)) continue;
        const path = join(folder, name);
        if (entry.isDirectory()) await walk(path);
        else if (entry.isFile() && !/~$|^#|\.(?:swp|swx|tmp|bak)$|^4913$/.test(name) && !this.ignored.has(path)) {
          const facts = await stat(path).catch(() => undefined);
          if (facts) found.set(relative(this.folder, path), `${facts.mtimeMs} ${facts.size} ${facts.ino}`);
        }
      }
    };
    await walk(this.folder);
    return found;
  }
}
