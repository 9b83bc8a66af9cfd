import { defineStore } from 'pinia';
import { ref } from 'vue';
import type { ConsolePortMessage, VmView } from '../../main/contract';
import { request } from '../bridge';
import { TerminalSession } from '../terminal/terminal-session';

/** One terminal per VM, kept with its scrollback while the user looks elsewhere and from one start to the next. */
export const useTerminals = defineStore('terminals', () => {
  const sessions = new Map<string, TerminalSession>();
  /** Last lines on each VM's screen, for the cards. */
  const previews = ref<Record<string, string[]>>({});
  const options = { assistive: false };

  /** Take the consoles that the main process hands out. `assistive`: make terminals readable for screen readers. */
  function listen(assistive: boolean): void {
    options.assistive = assistive;
    window.addEventListener('message', (event: MessageEvent<Partial<ConsolePortMessage> | null>) => {
      if (event.source !== window || event.data?.type !== 'hartbox.console' || event.data.vm === undefined) return;
      session(event.data.vm).connect(event.ports[0]);
    });
  }

  function session(vm: string): TerminalSession {
    let found = sessions.get(vm);
    if (!found) {
      found = new TerminalSession({
        screenReaderMode: options.assistive,
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
    if (!active) {
      sessions.get(vm.id)?.disconnect();
      return;
    }
    const terminal = session(vm.id);
    if (terminal.isConnected) return;
    terminal.expectConnection();
    // If the VM has ended meanwhile there is nothing to connect to, and its state says so.
    request('vm.console', vm.id).catch(() => terminal.disconnect());
  }

  return { previews, listen, session, follow };
});
