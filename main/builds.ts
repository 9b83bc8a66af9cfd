import type { BrowserWindow, Dialog } from 'electron';
import { reportError } from '../engine/runner/error-report';
import { type BoxBuild, buildOf, filesOfBox, runBuild } from '../engine/runner/build/box-build';
import { SourceWatch } from '../engine/runner/build/source-watch';
import type { BoxValues } from '../engine/settings/settings';
import type { Locale, VmView } from './contract';
import type { Machines } from './machines';
import { messages } from './messages';

interface BuildsPlatform {
  machines: Pick<Machines, 'on' | 'note' | 'startAnew' | 'pause' | 'resume'>;
  settings: (id: string) => Promise<{ values: BoxValues }>;
  dialog: Pick<Dialog, 'showMessageBox'>;
  window: () => BrowserWindow | undefined;
  locale: () => Locale;
}

/**
 * Makes what boxes start from anew by their build commands, and starts them anew: when the user asks, and from then on when a source is
 * saved. The window can set such a command, but only the user lets one run: each is asked about once by the system's own dialog.
 */
export class Builds {
  readonly #allowed = new Set<string>();
  readonly #building = new Map<string, AbortController>();
  readonly #watches = new Map<string, SourceWatch>();
  /** Boxes that are off only to start again. */
  readonly #starting = new Set<string>();
  readonly #states = new Map<string, VmView['state']>();

  constructor(private readonly platform: BuildsPlatform) {
    platform.machines.on('changed', ({ id, state }) => {
      this.#states.set(id, state);
      if (state === 'starting' || state === 'running') this.#starting.delete(id);
      // One that crashed is mended by the next build; one that was switched off stays off.
      if (state === 'off' && !this.#starting.has(id) && !this.#building.has(id)) this.#forget(id);
    });
    platform.machines.on('removed', (id) => this.#forget(id));
  }

  /** Build, and start the box anew. Nothing happens where it is being built, or the user refuses. Throws VmError as runBuild() and Machines.start() do. */
  async build(id: string): Promise<void> {
    if (this.#building.has(id)) return;
    const { machines, settings } = this.platform;
    const abort = new AbortController();
    this.#building.set(id, abort);
    let isHeld = false;
    try {
      const { values } = await settings(id);
      const build = buildOf(values);
      if (!(await this.#mayRun(id, values.name, build))) return;
      this.#watches.get(id)?.hold();
      machines.note(id, { building: true, warning: undefined });
      if (this.#states.get(id) === 'running') {
        await machines.pause(id);
        isHeld = true;
      }
      try {
        await runBuild(build, { signal: abort.signal });
      } finally {
        await this.#see(id, values, build);
      }
      isHeld = false;
      this.#starting.add(id);
      await machines.startAnew(id);
    } catch (error) {
      this.#starting.delete(id);
      // The user may have resumed it, or switched it off.
      if (isHeld) await machines.resume(id).catch(() => undefined);
      if (!abort.signal.aborted) throw error;
    } finally {
      this.#building.delete(id);
      machines.note(id, { building: false });
    }
  }

  /** End what builds and watches. */
  end(): void {
    for (const id of [...this.#building.keys(), ...this.#watches.keys()]) this.#forget(id);
  }

  #forget(id: string): void {
    this.#building.get(id)?.abort();
    this.#watches.get(id)?.end();
    this.#watches.delete(id);
    this.#states.delete(id);
  }

  async #see(id: string, values: BoxValues, { folder }: BoxBuild): Promise<void> {
    let watch = this.#watches.get(id);
    if (watch?.folder !== folder || !values.buildWatch || this.#building.get(id)?.signal.aborted) {
      watch?.end();
      watch = undefined;
      this.#watches.delete(id);
    }
    if (!values.buildWatch || this.#building.get(id)?.signal.aborted) return;
    watch ??= new SourceWatch(folder, filesOfBox(values), () => void this.build(id).catch((error: unknown) => this.#tell(id, error)));
    this.#watches.set(id, watch);
    await watch.release();
  }

  /** What nobody asked for just now cannot be refused to anybody. */
  #tell(id: string, error: unknown): void {
    this.platform.machines.note(id, { warning: reportError(error) });
  }

  async #mayRun(id: string, name: string, { command, folder }: BoxBuild): Promise<boolean> {
    const key = JSON.stringify([id, command, folder]);
    if (this.#allowed.has(key)) return true;
    const { dialog, window, locale } = this.platform;
    const owner = window();
    if (!owner) return false;
    const say = messages[locale()];
    const { response } = await dialog.showMessageBox(owner, {
      type: 'question',
      message: say.build(name),
      detail: `${command}\n\n${say.buildFolder(folder)}`,
      buttons: [say.run, say.dontRun],
      defaultId: 1,
      cancelId: 1,
      noLink: true,
    });
    if (response !== 0) return false;
    this.#allowed.add(key);
    return true;
  }
}
