import type { App, BrowserWindow, Dialog } from 'electron';
import { Patience } from '../engine/host/ending-signals';
import type { CloseChoice, Locale, VmView } from './contract';
import type { Machines } from './machines';
import { messages } from './messages';
import { waitForProcesses } from './wait-for-processes';

/** How long guests may take to shut down when the app is told to end, in milliseconds. Linux and Windows give an app some 5 s in all. */
const LAST_MOMENT_MS = 3500;
/** How long machines that are forced off may take then; they flush their disks. */
const FORCE_OFF_MS = 1000;

export interface CloseGuardOptions {
  machines: Machines;
  /** Shows the question in the page; false if the page cannot. */
  ask: (running: VmView[]) => boolean;
  window: () => BrowserWindow | undefined;
  app: Pick<App, 'on' | 'quit'>;
  dialog: Pick<Dialog, 'showMessageBox'>;
  /** What the user wants done without being asked. */
  habit?: () => CloseChoice | 'ask';
  /** What the native question is asked in. */
  locale: () => Locale;
  platform?: NodeJS.Platform;
  /** Blocks until the processes are gone; tells whether they are. */
  wait?: typeof waitForProcesses;
}

/** Stands between the user and a machine that would lose its work: asks before the window closes or the app quits. */
export class CloseGuard {
  private readonly machines: Machines;
  private quitting = false;
  private ending = false;
  /** The user has hidden the window, so that machines go on without it. */
  private wasHidden = false;
  /** Counts decisions: each takes the place of the one before, so that "cancel" ends the wait of "shut down". */
  private decision = 0;
  /** They are being shut down, without a question. */
  private isHabitDone = false;
  private readonly patience = new Patience();

  constructor(private readonly options: CloseGuardOptions) {
    const { app, machines, window, platform = process.platform } = options;
    this.machines = machines;
    app.on('before-quit', (event) => {
      if (this.quitting || machines.active().length === 0) return;
      event.preventDefault();
      // On macOS the user asked to quit. Elsewhere nobody can but by closing the window: the system wants it.
      if (platform === 'darwin' && !this.ending) this.consider(true);
      else this.end('session');
    });
    // Nobody is left to look: a hidden app ends with its last machine. A window that is still being opened is not visible either.
    machines.on('changed', () => {
      if (this.wasHidden && machines.active().length === 0 && window()?.isVisible() === false) app.quit();
    });
  }

  guard(window: BrowserWindow): void {
    window.on('close', (event) => {
      if (this.quitting || this.machines.active().length === 0) return;
      event.preventDefault();
      if (!this.ending) this.consider();
    });
    // A page with unsaved changes holds up its end to ask about them; nobody is there to answer when the app is told to end.
    window.webContents.on('will-prevent-unload', (event) => {
      if (this.ending) event.preventDefault();
    });
    // Windows only. The question whether the session may end (query-session-end) is answered with yes, as it is by itself.
    window.on('session-end', () => this.endAtOnce());
  }

  /** Resolves at once if the app goes on, else when no machine is left, or another choice was made meanwhile. */
  async choose(choice: CloseChoice): Promise<void> {
    const decision = ++this.decision;
    switch (choice) {
      case 'cancel':
        return;
      case 'keep-running':
        this.wasHidden = true;
        this.options.window()?.hide();
        return;
      case 'shut-down':
        this.shutDown();
        break;
      case 'force-off':
        this.forceOff();
        break;
    }
    await this.machines.allEnded();
    if (decision !== this.decision) return;
    this.quitting = true;
    this.options.app.quit();
  }

  /**
   * Quit without questions, because of a signal or because the system shuts down (`cause`): guests get a moment to do so too, none if told
   * again.
   */
  end(cause: string): void {
    const order = this.patience.note(cause);
    if (order === 'again') void this.choose('force-off');
    if (order !== 'first') return;
    this.ending = true;
    void this.choose('shut-down');
    setTimeout(() => void this.choose('force-off'), LAST_MOMENT_MS).unref();
  }

  /** The same where the operating system kills app and engines as soon as this returns. */
  private endAtOnce(): void {
    const { wait = waitForProcesses, app } = this.options;
    this.ending = true;
    this.shutDown();
    if (!wait(this.machines.pids(), LAST_MOMENT_MS)) {
      this.forceOff();
      wait(this.machines.pids(), FORCE_OFF_MS);
    }
    this.quitting = true;
    app.quit();
  }

  private shutDown(): void {
    for (const vm of this.machines.active()) {
      // One that was asked before is asked again, which gives it time again.
      const asked = ['running', 'paused', 'stopping'].includes(vm.state) ? this.machines.powerOff(vm.id) : this.machines.forceOff(vm.id);
      asked.catch(mayHaveEnded);
    }
  }

  private forceOff(): void {
    for (const vm of this.machines.active()) this.machines.forceOff(vm.id).catch(mayHaveEnded);
  }

  /** As the user asks for in the tray: boxes that run are asked about. */
  quit(): void {
    if (this.machines.active().length === 0) this.options.app.quit();
    else this.consider(true);
  }

  /** `isQuit`: the app is to end, not only its window to go. */
  private consider(isQuit = false): void {
    const running = this.machines.active();
    const habit = this.options.habit?.() ?? 'ask';
    if (habit === 'keep-running' && !isQuit) {
      void this.choose(habit);
      return;
    }
    // Who closes the window once more while that is being done wants to be asked.
    if ((habit === 'shut-down' || habit === 'force-off') && !this.isHabitDone) {
      this.isHabitDone = true;
      void this.choose(habit);
      return;
    }
    this.options.window()?.show();
    if (!this.options.ask(running)) void this.askNatively(running);
  }

  /** The page does not answer; the question must still be put. */
  private async askNatively(running: VmView[]): Promise<void> {
    const say = messages[this.options.locale()];
    const choices: CloseChoice[] = ['cancel', 'shut-down', 'force-off'];
    const { response } = await this.options.dialog.showMessageBox({
      type: 'question',
      message: say.stillRunning,
      detail: running.map((vm) => vm.name).join('\n'),
      buttons: [say.cancel, say.shutDown, say.forceOff],
      defaultId: 1,
      cancelId: 0,
    });
    await this.choose(choices[response]);
  }
}

/** A machine that ended by itself meanwhile has no need to be told. */
function mayHaveEnded(): void {
  // Its end is what was wanted.
}
