import { defineStore } from 'pinia';
import { ref, watch } from 'vue';
import type { VmView } from '../../main/contract';
import { onPort } from '../box-ports';
import { request } from '../bridge';
import { useApp } from './app';
import { FONT_SIZE, type TerminalBehaviour, TerminalSession } from '../terminal/terminal-session';

/** One terminal per VM, kept with its scrollback while the user looks elsewhere and from one start to the next. */
export const useTerminals = defineStore('terminals', () => {
  const sessions = new Map<string, TerminalSession>();
  /** Last lines on each VM's screen, for the cards. */
  const previews = ref<Record<string, string[]>>({});
  const options = { assistive: false };
  const app = useApp();
  watch(
    () => app.info?.habits.fontSize,
    (points) => {
      if (points !== undefined) for (const one of sessions.values()) one.fontSize = points;
    },
  );
  /** Other letters by one point, or of the usual size. */
  async function resizeFont(step: 1 | -1 | 0): Promise<void> {
    const now = app.info?.habits.fontSize ?? FONT_SIZE;
    await app.setHabits({ fontSize: step === 0 ? FONT_SIZE : Math.min(32, Math.max(8, now + step)) });
  }
  /** What each VM's guest may do beside writing text. */
  const behaviours = new Map<string, TerminalBehaviour>();

  /** Take the consoles that the main process hands out. `assistive`: make terminals readable for screen readers. */
  function listen(assistive: boolean): void {
    options.assistive = assistive;
    onPort('console', (vm, port) => session(vm).connect(port));
  }

  let copied: string | undefined;
  let isCopying = false;

  /** One after another: of texts that come faster than they are copied the last. */
  async function copy(text: string): Promise<void> {
    copied = text;
    if (isCopying) return;
    isCopying = true;
    while (copied !== undefined) {
      const next = copied;
      copied = undefined;
      await request('clipboard.write', next).catch(() => undefined);
    }
    isCopying = false;
  }

  function behaviourOf(vm: string): TerminalBehaviour {
    let found = behaviours.get(vm);
    if (!found) {
      found = { bell: 'none', guestTitle: false, guestClipboard: false };
      behaviours.set(vm, found);
    }
    return found;
  }

  function session(vm: string): TerminalSession {
    let found = sessions.get(vm);
    if (!found) {
      found = new TerminalSession({
        screenReaderMode: options.assistive,
        fontSize: app.info?.habits.fontSize ?? FONT_SIZE,
        behaviour: behaviourOf(vm),
        // What is refused is no address of the web, which the guest had better not have written.
        onLink: (url) => void request('app.open-link', url).catch(() => undefined),
        onClipboard: (text) => void copy(text),
        onScreen: (lines) => {
          previews.value[vm] = lines;
        },
      });
      sessions.set(vm, found);
    }
    return found;
  }

  /** Keep a VM's terminal connected while it runs. */
  function follow(vm: VmView, active: boolean): void {
    Object.assign(behaviourOf(vm.id), vm.terminal);
    if (!active) {
      sessions.get(vm.id)?.disconnect();
      return;
    }
    const terminal = session(vm.id);
    if (terminal.isConnected) return;
    terminal.expectConnection();
    // If the VM has ended meanwhile there is nothing to connect to, and its state says so.
    request('vm.connect', vm.id, 'console').catch(() => terminal.disconnect());
  }

  return { resizeFont, previews, listen, session, follow };
});
