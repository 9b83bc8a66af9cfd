import { type BrowserWindow, app, dialog } from 'electron';
import type { CloseChoice, VmView } from './contract';
import type { Machines } from './machines';

/** How long guests may take to shut down when the app is told to end, in milliseconds. */
const LAST_MOMENT_MS = 5000;

/** Stands between the user and a machine that would lose its work: asks before the window closes or the app quits. */
export class CloseGuard {
  private quitting = false;
  private ending = false;

  constructor(
    private readonly machines: Machines,
    /** Shows the question in the page; false if the page cannot. */
    private readonly ask: (running: VmView[]) => boolean,
    private readonly window: () => BrowserWindow | undefined,
  ) {
    app.on('before-quit', (event) => {
      // On macOS the user asked to quit. Elsewhere nobody can but by closing the window: it is a signal, or the session ends.
      if (process.platform === 'darwin') this.consider(event);
      else this.end(event);
    });
    // Nobody is left to look: a hidden app ends with its last machine.
    machines.on('changed', () => {
      if (machines.active().length === 0 && this.window()?.isVisible() === false) app.quit();
    });
  }

  guard(window: BrowserWindow): void {
    window.on('close', (event) => this.consider(event));
  }

  async choose(choice: CloseChoice): Promise<void> {
    switch (choice) {
      case 'cancel':
        return;
      case 'keep-running':
        this.window()?.hide();
        return;
      case 'shut-down':
        for (const vm of this.machines.active()) {
          if (vm.state === 'running' || vm.state === 'paused') this.machines.powerOff(vm.id);
          else if (vm.state !== 'stopping') this.machines.forceOff(vm.id);
        }
        break;
      case 'force-off':
        for (const vm of this.machines.active()) this.machines.forceOff(vm.id);
        break;
    }
    await this.machines.allEnded();
    this.quitting = true;
    app.quit();
  }

  /** Quit without questions: guests get a moment to shut down, none if told again. */
  private end(event: { preventDefault(): void }): void {
    if (this.quitting || this.machines.active().length === 0) return;
    event.preventDefault();
    if (this.ending) {
      void this.choose('force-off');
      return;
    }
    this.ending = true;
    void this.choose('shut-down');
    setTimeout(() => void this.choose('force-off'), LAST_MOMENT_MS);
  }

  private consider(event: { preventDefault(): void }): void {
    const running = this.machines.active();
    if (this.quitting || running.length === 0) return;
    event.preventDefault();
    const window = this.window();
    window?.show();
    if (!this.ask(running)) void this.askNatively(running);
  }

  /** The page does not answer; the question must still be put. */
  private async askNatively(running: VmView[]): Promise<void> {
    const choices: CloseChoice[] = ['cancel', 'shut-down', 'force-off'];
    const { response } = await dialog.showMessageBox({
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
