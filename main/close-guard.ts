import type { App, BrowserWindow, Dialog } from 'electron';
import { Patience } from '../engine/host/ending-signals';
import type { CloseChoice, VmView } from './contract';
import type { Machines } from './machines';
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
  platform?: NodeJS.Platform;
  /** Blocks until the processes are gone; tells whether they are. */
  wait?: typeof waitForProcesses;
}

/** Stands between the user and a machine that would lose its work: asks before the window closes or the app quits. */
export class CloseGuard {
  private readonly machines: Machines;
  private quitting = false;
  private ending = false;
  private readonly patience = new Patience();

  constructor(private readonly options: CloseGuardOptions) {
    const { app, machines, window, platform = process.platform } = options;
    this.machines = machines;
    app.on('before-quit', (event) => {
      if (this.quitting || machines.active().length === 0) return;
      event.preventDefault();
      // On macOS the user asked to quit. Elsewhere nobody can but by closing the window: the system wants it.
      if (platform === 'darwin' && !this.ending) this.consider();
      else this.end('session');
    });
    // Nobody is left to look: a hidden app ends with its last machine.
    machines.on('changed', () => {
      if (machines.active().length === 0 && window()?.isVisible() === false) app.quit();
    });
  }

  guard(window: BrowserWindow): void {
    window.on('close', (event) => {
      if (this.quitting || this.machines.active().length === 0) return;
      event.preventDefault();
      if (!this.ending) this.consider();
    });
    // Windows only. The question whether the session may end (query-session-end) is answered with yes, as it is by itself.
    window.on('session-end', () => this.endAtOnce());
  }

  async choose(choice: CloseChoice): Promise<void> {
    switch (choice) {
      case 'cancel':
        return;
      case 'keep-running':
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
      if (vm.state === 'running' || vm.state === 'paused') this.machines.powerOff(vm.id);
      else if (vm.state !== 'stopping') this.machines.forceOff(vm.id);
    }
  }

  private forceOff(): void {
    for (const vm of this.machines.active()) this.machines.forceOff(vm.id);
  }

  private consider(): void {
    const running = this.machines.active();
    this.options.window()?.show();
    if (!this.options.ask(running)) void this.askNatively(running);
  }

  /** The page does not answer; the question must still be put. */
  private async askNatively(running: VmView[]): Promise<void> {
    const choices: CloseChoice[] = ['cancel', 'shut-down', 'force-off'];
    const { response } = await this.options.dialog.showMessageBox({
      type: 'question',
      message: 'Machines are still running',
      detail: running.map((vm) => vm.name).join('\n'),
      buttons: ['Cancel', 'Shut down', 'Force off'],
      defaultId: 1,
      cancelId: 0,
    });
    await this.choose(choices[response]);
  }
}
