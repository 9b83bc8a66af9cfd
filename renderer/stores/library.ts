import { defineStore } from 'pinia';
import { computed, ref } from 'vue';
import type { ErrorReport } from '../../engine/runner/control';
import type { RequestName, VmState, VmView } from '../../main/contract';
import { errorReport, request } from '../bridge';
import { useClipboards } from './clipboards';
import { useScreens } from './screens';
import { useSounds } from './sounds';
import { useTerminals } from './terminals';

type VmRequest = Extract<RequestName, `vm.${string}` | 'library.show-files'>;

const withEngine: readonly VmState[] = ['preparing', 'starting', 'running', 'paused', 'stopping'];

/** Whether a VM has an engine process. */
export function isActive(vm: VmView): boolean {
  return withEngine.includes(vm.state);
}

/** Whether what is typed to a VM reaches its guest. */
export function isAnswering(vm: VmView): boolean {
  return vm.state === 'running' || vm.state === 'stopping';
}

/** The VMs as the main process tells of them. */
export const useLibrary = defineStore('library', () => {
  const terminals = useTerminals();
  const screens = useScreens();
  const sounds = useSounds();
  const clipboards = useClipboards();
  const machines = ref<VmView[]>([]);
  const loading = ref(true);
  /** Why the library could not be read. */
  const failure = ref<ErrorReport>();
  /** What went wrong when the user asked something of a VM, by VM. */
  const refusals = ref<Record<string, ErrorReport>>({});
  /** The VM at which the keyboard is in the library: the one that was looked at last. */
  const current = ref<string>();
  /** What the user looks for in the library. */
  const search = ref('');
  /** The VM whose name is being changed, and the one that the user is asked about before it is forced off. */
  const renaming = ref<string>();
  const confirming = ref<{ request: 'vm.force-off' | 'vm.reset'; id: string }>();

  /** The VM of which the user is told how to attach a debugger. */
  const debugging = ref<string>();

  const running = computed(() => machines.value.filter(isActive).length);

  /** Listen to changes and read the library. */
  async function load(): Promise<void> {
    window.hartbox.on('vm.changed', change);
    window.hartbox.on('vm.removed', (id) => {
      machines.value = machines.value.filter((vm) => vm.id !== id);
    });
    await refresh();
  }

  async function refresh(): Promise<void> {
    loading.value = true;
    failure.value = undefined;
    try {
      machines.value = await request('library.list');
      for (const vm of machines.value) follow(vm);
    } catch (error) {
      failure.value = errorReport(error);
    } finally {
      loading.value = false;
    }
  }

  function change(vm: VmView): void {
    const at = machines.value.findIndex((known) => known.id === vm.id);
    const before = machines.value[at]?.clipboard;
    if (at < 0) machines.value.push(vm);
    else machines.value[at] = vm;
    follow(vm);
    clipboards.follow(vm, before);
  }

  /** Those who look at it. */
  function follow(vm: VmView): void {
    terminals.follow(vm, isActive(vm));
    screens.follow(vm, isActive(vm));
    // While it is prepared nobody knows what it will have.
    sounds.follow(vm, isActive(vm) && vm.state !== 'preparing' && vm.state !== 'starting');
  }

  /** Ask something of a VM; a refusal is shown with the VM until it is dismissed or something else is asked. */
  async function ask(name: VmRequest, id: string): Promise<void> {
    dismiss(id);
    try {
      await request(name, id);
    } catch (error) {
      refusals.value[id] = errorReport(error);
    }
  }

  /** Give a VM another name. */
  async function rename(id: string, name: string): Promise<void> {
    dismiss(id);
    try {
      await request('library.rename', id, name);
      await refresh();
    } catch (error) {
      refusals.value[id] = errorReport(error);
    }
  }

  function machine(id: string | undefined): VmView | undefined {
    return machines.value.find((vm) => vm.id === id);
  }

  function dismiss(id: string): void {
    delete refusals.value[id];
  }

  return {
    machines,
    loading,
    failure,
    refusals,
    current,
    search,
    renaming,
    confirming,
    debugging,
    running,
    load,
    refresh,
    ask,
    rename,
    machine,
    dismiss,
  };
});
