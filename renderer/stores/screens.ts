import { defineStore } from 'pinia';
import { ref } from 'vue';
import type { VmView } from '../../main/contract';
import { onPort } from '../box-ports';
import { request } from '../bridge';
import { ScreenSession } from '../screen/screen-session';

/** The screens of a VM that have no window of their own, by number. */
export function tabsOf({ screens, windows = [] }: Pick<VmView, 'screens' | 'windows'>): number[] {
  return Array.from({ length: screens }, (_, screen) => screen).filter((screen) => !windows.includes(screen));
}

/** One screen per VM, kept with its last picture while the user looks elsewhere. */
export const useScreens = defineStore('screens', () => {
  const sessions = new Map<string, ScreenSession>();
  /** What each VM's screen showed when the user looked last, small, for the cards. */
  const previews = ref<Record<string, string>>({});
  /** Whether the window can be seen. */
  const isVisible = ref(true);
  const isFullScreen = ref(false);

  function listen(): void {
    onPort('screen', (vm, port) => session(vm).port.connect(port));
    window.hartbox.on('app.window', ({ visible, fullScreen }) => {
      isVisible.value = visible;
      isFullScreen.value = fullScreen;
    });
  }

  function session(vm: string): ScreenSession {
    let found = sessions.get(vm);
    if (!found) {
      found = new ScreenSession(() => again(vm));
      sessions.set(vm, found);
    }
    return found;
  }

  /** Its picture is to come once more. */
  function again(vm: string): void {
    const { port } = session(vm);
    if (!port.isConnected) return;
    port.disconnect();
    connect(vm);
  }

  /** What has ended is no longer connected. */
  function follow(vm: VmView, active: boolean): void {
    if (!active) sessions.get(vm.id)?.port.disconnect();
  }

  /** Connect a VM's screen while it runs. */
  function connect(vm: string): void {
    session(vm).port.ask(vm, 'screen');
  }

  /** Remember what it shows, for its card. */
  function keep(vm: string): void {
    const preview = sessions.get(vm)?.preview();
    if (preview === undefined) delete previews.value[vm];
    else previews.value[vm] = preview;
  }

  /** Take one of a VM's screens into a window of its own: the first that has none, or else bring theirs to the front. */
  async function takeOut(vm: VmView): Promise<void> {
    const [next] = tabsOf(vm);
    const wanted = next === undefined ? (vm.windows ?? []) : [next];
    for (const screen of wanted) await request('vm.screen-window', vm.id, screen, true);
  }

  return { takeOut, previews, isVisible, isFullScreen, listen, session, follow, connect, keep };
});
