import { defineStore } from 'pinia';
import { ref, watch } from 'vue';
import type { VmView } from '../../main/contract';
import type { ChannelKind } from '../../engine/runner/channel';
import { onPort } from '../box-ports';
import { request } from '../bridge';
import { useApp } from './app';
import { FONT_SIZE, type TerminalBehaviour, TerminalSession } from '../terminal/terminal-session';

/** Terminals of a VM beside its console, as Linux calls them: channels of the same names. */
const EXTRA = ['hvc1', 'hvc2', 'hvc3'] as const satisfies ChannelKind[];
export type TerminalKind = 'console' | (typeof EXTRA)[number];

/** Those that a VM has, the console first. */
export function terminalsOf({ consoles }: Pick<VmView, 'consoles'>): TerminalKind[] {
  return ['console', ...EXTRA.slice(0, consoles)];
}

/** The terminals of each VM, kept with its scrollback while the user looks elsewhere and from one start to the next. */
export const useTerminals = defineStore('terminals', () => {
  const sessions = new Map<string, TerminalSession>();
  /** Last lines on each VM's screen, for the cards. */
  const previews = ref<Record<string, string[]>>({});
  const options = { assistive: false, isListening: false };
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
    Object.assign(options, { assistive, isListening: true });
    for (const kind of ['console', ...EXTRA] as const) onPort(kind, (vm, port) => session(vm, kind).connect(port));
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

  function session(vm: string, kind: TerminalKind = 'console'): TerminalSession {
    const key = `${vm}/${kind}`;
    let found = sessions.get(key);
    if (!found) {
      found = new TerminalSession({
        screenReaderMode: options.assistive,
        fontSize: app.info?.habits.fontSize ?? FONT_SIZE,
        behaviour: behaviourOf(vm),
        // What is refused is no address of the web, which the guest had better not have written.
        onLink: (url) => void request('app.open-link', url).catch(() => undefined),
        onClipboard: (text) => void copy(text),
        onScreen: (lines) => {
          if (kind === 'console') previews.value[vm] = lines;
        },
      });
      sessions.set(key, found);
    }
    return found;
  }

  /** Keep a VM's terminals connected while it runs, where somebody listens. */
  function follow(vm: VmView, active: boolean): void {
    if (!options.isListening) return;
    Object.assign(behaviourOf(vm.id), vm.terminal);
    for (const kind of terminalsOf(vm)) {
      if (!active) {
        sessions.get(`${vm.id}/${kind}`)?.disconnect();
        continue;
      }
      const terminal = session(vm.id, kind);
      if (terminal.isConnected) continue;
      terminal.expectConnection();
      // If the VM has ended meanwhile there is nothing to connect to, and its state says so.
      request('vm.connect', vm.id, kind).catch(() => terminal.disconnect());
    }
  }

  return { resizeFont, previews, listen, session, follow };
});
