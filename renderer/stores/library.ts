import { defineStore } from 'pinia';
import { computed, ref } from 'vue';
import type { ErrorReport } from '../../engine/process/contract';
import type { RequestName, VmState, VmView } from '../../main/contract';
import { errorReport, request } from '../bridge';
import { useTerminals } from './terminals';

type VmRequest = Extract<RequestName, `vm.${string}` | 'library.show-files'>;

const withEngine: readonly VmState[] = ['preparing', 'starting', 'running', 'paused', 'stopping'];

/** Whether a VM has an engine process. */
export function isActive(vm: VmView): boolean {
  return withEngine.includes(vm.state);
}

/** The VMs as the main process tells of them, and which one is open. */
export const useLibrary = defineStore('library', () => {
  const terminals = useTerminals();
  const machines = ref<VmView[]>([]);
  const loading = ref(true);
  /** Why the library could not be read. */
  const failure = ref<ErrorReport>();
  /** What went wrong when the user asked something of a VM, by VM. */
  const refusals = ref<Record<string, ErrorReport>>({});
  const openId = ref<string>();

  const open = computed(() => machines.value.find((vm) => vm.id === openId.value));
  const running = computed(() => machines.value.filter(isActive).length);

  /** Listen to changes and read the library. */
  async function load(): Promise<void> {
    window.hartbox.on('vm.changed', change);
    await refresh();
  }

  async function refresh(): Promise<void> {
    loading.value = true;
    failure.value = undefined;
    try {
      machines.value = await request('library.list');
      for (const vm of machines.value) terminals.follow(vm, isActive(vm));
    } catch (error) {
      failure.value = errorReport(error);
    } finally {
      loading.value = false;
    }
  }

  function change(vm: VmView): void {
    const at = machines.value.findIndex((known) => known.id === vm.id);
    if (at < 0) machines.value.push(vm);
    else machines.value[at] = vm;
    terminals.follow(vm, isActive(vm));
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

  function dismiss(id: string): void {
    delete refusals.value[id];
  }

  return { machines, loading, failure, refusals, openId, open, running, load, refresh, ask, dismiss };
});
