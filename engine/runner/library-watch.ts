import { type FSWatcher, type Stats, watch } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureFolder } from '../host/ensure-folder';
import { ID, LOCK_FILE, SETTINGS_FILE } from './box-folder';

/** Milliseconds in which what follows one change is waited for: programs write in several steps. */
const DEBOUNCE_MS = 100;
/** How often boxes are looked at all the same, in milliseconds: file systems of other computers tell nothing. */
const LOOK_MS = 30_000;
/** And where this system watches nothing (no inotify watches left, say). */
const POLL_MS = 1000;

/**
 * Tell `listener` the ids of boxes that appeared or vanished, whose settings changed, or which were started or ended, by whatever process.
 * Returns what ends that. It keeps no process alive.
 */
export function watchBoxes(machines: string, listener: (ids: string[]) => void): () => void {
  const watchers = new Map<string, FSWatcher>();
  let known: Map<string, string> | undefined;
  let ended = false;
  let isBlind = false;
  let timer: NodeJS.Timeout | undefined;
  let isLooking = false;
  /** Something happened while we looked. */
  let again = false;
  let pending = false;

  const lookIn = (milliseconds: number): void => {
    if (ended) return;
    clearTimeout(timer);
    timer = setTimeout(look, milliseconds);
    timer.unref();
  };
  const notice = (): void => {
    // Changes that do not cease are told all the same.
    if (isLooking) again = true;
    else if (!pending) {
      pending = true;
      lookIn(DEBOUNCE_MS);
    }
  };

  /** Another folder of the same name is another folder. */
  const follow = (folder: string, identity: string): string => {
    const key = `${identity} ${folder}`;
    if (watchers.has(key)) return key;
    try {
      const watcher = watch(folder, { persistent: false }, notice);
      watchers.set(key, watcher);
      watcher.on('error', () => {
        forget(key);
        notice();
      });
    } catch {
      isBlind = true;
    }
    return key;
  };
  const forget = (key: string): void => {
    watchers.get(key)?.close();
    watchers.delete(key);
  };

  const look = (): void => {
    pending = false;
    again = false;
    isLooking = true;
    void compare()
      // What fails now (no descriptors left) may go well the next time.
      .catch(() => undefined)
      .then(() => {
        isLooking = false;
        if (again) notice();
        else if (!pending) lookIn(isBlind ? POLL_MS : LOOK_MS);
      });
  };

  const compare = async (): Promise<void> => {
    ensureFolder(machines);
    if (ended) return;
    isBlind = false;
    const identity = identityOf(await stat(machines));
    if (ended) return;
    const followed = new Set([follow(machines, identity)]);
    const now = new Map<string, string>();
    for (const id of await readdir(machines)) {
      if (!ID.test(id)) continue;
      const state = await stateOf(join(machines, id));
      if (ended) return;
      if (!state) continue;
      now.set(id, state.text);
      followed.add(follow(join(machines, id), state.identity));
    }
    if (ended) return;
    for (const key of watchers.keys()) if (!followed.has(key)) forget(key);
    const before = known;
    known = now;
    if (!before) return;
    const ids = [...new Set([...before.keys(), ...now.keys()])].filter((id) => before.get(id) !== now.get(id));
    if (ids.length > 0) listener(ids.sort());
  };

  look();
  return () => {
    ended = true;
    clearTimeout(timer);
    for (const watcher of watchers.values()) watcher.close();
    watchers.clear();
  };
}

/** Numbers of files are given again as soon as they are free. */
function identityOf({ ino, birthtimeMs }: Stats): string {
  return `${ino}-${birthtimeMs}`;
}

/** What is different when the box is; undefined where there is no folder. */
async function stateOf(folder: string): Promise<{ identity: string; text: string } | undefined> {
  const [box, ...files] = await Promise.all(
    [folder, join(folder, SETTINGS_FILE), join(folder, LOCK_FILE)].map((path) => stat(path).catch(() => undefined)),
  );
  if (!box?.isDirectory()) return undefined;
  const identity = identityOf(box);
  return { identity, text: [identity, ...files.map((file) => (file ? `${identityOf(file)}-${file.mtimeMs}-${file.size}` : ''))].join(' ') };
}
