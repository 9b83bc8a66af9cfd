import type { BrowserWindow, Dialog, SystemPreferences } from 'electron';
import type { Locale, VmView } from './contract';
import type { Machines } from './machines';
import { messages } from './messages';

interface MicrophonePlatform {
  machines: Pick<Machines, 'on' | 'list'>;
  dialog: Pick<Dialog, 'showMessageBox'>;
  /** macOS asks the user too, once. */
  systemPreferences: Partial<Pick<SystemPreferences, 'askForMediaAccess'>>;
  window: () => BrowserWindow | undefined;
  locale: () => Locale;
}

const heard: readonly VmView['state'][] = ['running', 'paused', 'stopping'];

/** Which boxes may hear the microphone: those that the user has agreed to since they were switched on. */
export class Microphones {
  readonly #allowed = new Set<string>();
  #isAsking = false;

  constructor(private readonly platform: MicrophonePlatform) {
    platform.machines.on('changed', ({ id, state }) => {
      if (!heard.includes(state)) this.#allowed.delete(id);
    });
    platform.machines.on('removed', (id) => this.#allowed.delete(id));
  }

  /** Whether the page may use the microphone. */
  get isAllowed(): boolean {
    return this.#allowed.size > 0;
  }

  /** Whether a box may, once the user has been asked; `false` takes it back. While one question is open no other is asked. */
  async allow(vm: string, wanted: boolean): Promise<boolean> {
    if (!wanted) this.#allowed.delete(vm);
    if (!wanted || this.#allowed.has(vm)) return wanted;
    const { dialog, window, locale, machines, systemPreferences } = this.platform;
    const view = (await machines.list()).find(({ id }) => id === vm);
    const owner = window();
    if (!view || !heard.includes(view.state) || !owner || this.#isAsking) return false;
    this.#isAsking = true;
    try {
      const say = messages[locale()];
      const { response } = await dialog.showMessageBox(owner, {
        type: 'question',
        message: say.microphone(view.name),
        detail: say.microphoneDetail,
        buttons: [say.allow, say.dontAllow],
        defaultId: 1,
        cancelId: 1,
        noLink: true,
      });
      if (response !== 0 || (systemPreferences.askForMediaAccess && !(await systemPreferences.askForMediaAccess('microphone'))))
        return false;
      // It may have ended meanwhile.
      const now = (await machines.list()).find(({ id }) => id === vm);
      if (!now || !heard.includes(now.state)) return false;
      this.#allowed.add(vm);
      return true;
    } finally {
      this.#isAsking = false;
    }
  }
}
