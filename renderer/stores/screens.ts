import { defineStore } from 'pinia';
import { ref } from 'vue';
import type { VmView } from '../../main/contract';
import { onPort } from '../box-ports';
import { request } from '../bridge';
import { ScreenSession } from '../screen/screen-session';

/** One screen per VM, kept with its last picture while the user looks elsewhere. */
export const useScreens = defineStore('screens', () => {
  const sessions = new Map<string, ScreenSession>();
  /** What each VM's screen showed when the user looked last, small, for the cards. */
  const previews = ref<Record<string, string>>({});
  /** Whether the window can be seen. */
  const isVisible = ref(true);
  const isFullScreen = ref(false);

  function listen(): void {
    onPort('screen', (vm, port) => session(vm).connect(port));
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
    const screen = session(vm);
    if (!screen.isConnected) return;
    screen.disconnect();
    connect(vm);
  }

  /** What has ended is no longer connected. */
  function follow(vm: VmView, active: boolean): void {
    if (!active) sessions.get(vm.id)?.disconnect();
  }

  /** Connect a VM's screen while it runs. */
  function connect(vm: string): void {
    const screen = session(vm);
    if (screen.isConnected) return;
    screen.expectConnection();
    // If the VM has ended meanwhile there is nothing to connect to, and its state says so.
    request('vm.connect', vm, 'screen').catch(() => screen.disconnect());
  }

  /** Remember what it shows, for its card. */
  function keep(vm: string): void {
    const preview = sessions.get(vm)?.preview();
    if (preview === undefined) delete previews.value[vm];
    else previews.value[vm] = preview;
  }

  return { previews, isVisible, isFullScreen, listen, session, follow, connect, keep };
});
