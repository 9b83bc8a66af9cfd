import {
  Activity,
  AppWindow,
  Bug,
  Copy,
  CopyPlus,
  FolderOpen,
  FolderSymlink,
  Hammer,
  HardDrive,
  Network,
  Pause,
  PencilLine,
  Play,
  Power,
  RefreshCw,
  RotateCcw,
  RotateCw,
  ScrollText,
  Settings,
  SquareTerminal,
  Trash2,
  Upload,
  X,
  Zap,
} from '@lucide/vue';
import type { Component } from 'vue';
import { useRouter } from 'vue-router';
import type { VmState, VmView } from '../main/contract';
import { useBoxTasks } from './stores/box-tasks';
import { useImageTrust } from './stores/image-trust';
import { useLibrary } from './stores/library';
import { useScreens } from './stores/screens';

/** All that one can do to a VM, in the order of its menus. Buttons, menus and keys are made from this. */
const commands = {
  open: {
    icon: SquareTerminal,
    label: 'machine.open',
    in: ['off', 'failed', 'broken', 'preparing', 'starting', 'running', 'paused', 'stopping'],
  },
  start: { icon: Play, label: 'machine.start', in: ['off'] },
  'start-again': { icon: RotateCw, label: 'machine.startAgain', in: ['failed'] },
  resume: { icon: Play, label: 'machine.resume', in: ['paused'] },
  pause: { icon: Pause, label: 'machine.pause', in: ['running'] },
  'shut-down': { icon: Power, label: 'machine.shutDown', in: ['running', 'paused'] },
  restart: { icon: RefreshCw, label: 'machine.restart', in: ['running', 'paused', 'stopping'] },
  build: { icon: Hammer, label: 'machine.build', in: ['off', 'failed', 'running', 'paused'] },
  cancel: { icon: X, label: 'machine.cancel', in: ['preparing'] },
  check: { icon: RotateCw, label: 'machine.checkAgain', in: ['broken'] },
  settings: {
    icon: Settings,
    label: 'boxes.settings',
    in: ['off', 'failed', 'preparing', 'starting', 'running', 'paused', 'stopping'],
    separated: true,
  },
  drives: { icon: HardDrive, label: 'machine.drives', in: ['running', 'paused'] },
  shares: { icon: FolderSymlink, label: 'machine.shares', in: ['running', 'paused'] },
  network: { icon: Network, label: 'machine.network', in: ['running', 'paused', 'stopping'] },
  inside: { icon: Activity, label: 'machine.inside', in: ['running', 'paused', 'stopping'] },
  log: {
    icon: ScrollText,
    label: 'machine.log',
    in: ['off', 'failed', 'broken', 'preparing', 'starting', 'running', 'paused', 'stopping'],
  },
  rename: {
    icon: PencilLine,
    label: 'machine.rename',
    in: ['off', 'failed', 'preparing', 'starting', 'running', 'paused', 'stopping'],
  },
  clone: { icon: Copy, label: 'boxes.clone', in: ['off', 'failed'] },
  'clone-linked': { icon: CopyPlus, label: 'boxes.linkedClone', in: ['off', 'failed'] },
  export: { icon: Upload, label: 'boxes.export', in: ['off', 'failed'] },
  'show-file': { icon: FolderOpen, label: 'machine.showFiles', in: ['off', 'failed', 'broken'] },
  'screen-window': { icon: AppWindow, label: 'machine.screenWindow', in: ['starting', 'running', 'paused', 'stopping'] },
  debug: { icon: Bug, label: 'machine.debug', in: ['running', 'paused', 'stopping'], opens: true },
  // The guest is not asked, as when it is forced off.
  reset: { icon: RotateCcw, label: 'machine.reset', in: ['running', 'paused', 'stopping'], asks: true },
  'force-off': { icon: Zap, label: 'machine.forceOff', in: ['starting', 'running', 'paused', 'stopping'], asks: true },
  // It can be undone, so that nothing is asked.
  delete: { icon: Trash2, label: 'boxes.delete', in: ['off', 'failed', 'broken'], separated: true },
} as const satisfies Record<
  string,
  { icon: Component; label: string; in: readonly VmState[]; asks?: boolean; opens?: boolean; separated?: boolean }
>;

export type MachineCommand = keyof typeof commands;

export interface CommandLook {
  icon: Component;
  /** Key of its name in the translations. */
  label: string;
  /** It loses something, and asks before it does. */
  asks?: boolean;
  /** It shows something first. */
  opens?: boolean;
  /** Another kind of thing begins with it in a menu. */
  separated?: boolean;
}

export function lookOf(command: MachineCommand): CommandLook {
  return commands[command];
}

/** What one can do to this VM as it is now. */
export function commandsFor(vm: VmView): MachineCommand[] {
  return (Object.keys(commands) as MachineCommand[]).filter(
    (name) =>
      (commands[name].in as readonly VmState[]).includes(vm.state) &&
      (name !== 'build' || (vm.build && !vm.building)) &&
      (name !== 'screen-window' || vm.screens > 0),
  );
}

/** What of its power has a button of its own beside its screen. */
export function powerCommands(vm: VmView): MachineCommand[] {
  return commandsFor(vm).filter((command) => ['pause', 'resume', 'restart'].includes(command));
}

/** What one most likely wants of a VM in its own window: undefined while there is nothing but to use it, or to wait. */
export function nextCommand(vm: VmView): MachineCommand | undefined {
  return (['start', 'start-again', 'resume', 'cancel', 'check'] as const).find((name) => commandsFor(vm).includes(name));
}

/** What has a button of its own in the library, the likeliest first; all else is in the menu. */
export function cardCommands(vm: VmView): MachineCommand[] {
  const next = nextCommand(vm);
  if (vm.state === 'running') return ['open', 'shut-down'];
  if (vm.state === 'broken') return ['check', 'show-file'];
  return [next ?? 'force-off'];
}

/** Carries commands out. */
export function useMachineCommands(): (command: MachineCommand, vm: VmView) => Promise<void> {
  const library = useLibrary();
  const boxes = useBoxTasks();
  const trust = useImageTrust();
  const router = useRouter();
  const screens = useScreens();
  /** Its page, but where a window of its own shows it. */
  const open = async (vm: VmView): Promise<void> => {
    if (router.currentRoute.value.name !== 'screen') await router.push({ name: 'box', params: { id: vm.id } });
  };
  return async (command, vm) => {
    switch (command) {
      case 'open':
        await open(vm);
        return;
      case 'start':
      case 'start-again':
        if (!(await trust.mayStart(vm.id))) return;
        await library.ask('vm.start', vm.id);
        if (!library.refusals[vm.id]) await open(vm);
        return;
      case 'resume':
        return library.ask('vm.resume', vm.id);
      case 'pause':
        return library.ask('vm.pause', vm.id);
      case 'shut-down':
        return library.ask('vm.power-off', vm.id);
      case 'restart':
        return library.ask('vm.restart', vm.id);
      case 'build':
        if (!(await trust.mayStart(vm.id))) return;
        await open(vm);
        return library.ask('vm.build', vm.id);
      case 'reset':
        library.confirming = { request: 'vm.reset', id: vm.id };
        return;
      case 'screen-window':
        return screens.takeOut(vm);
      case 'debug':
        library.debugging = vm.id;
        return;
      case 'cancel':
        return library.ask('vm.force-off', vm.id);
      case 'check':
        return library.refresh();
      case 'show-file':
        return library.ask('library.show-files', vm.id);
      case 'settings':
        await router.push({ name: 'settings', params: { id: vm.id } });
        return;
      case 'drives':
      case 'shares':
        await router.push({ name: 'settings', params: { id: vm.id }, query: { find: command === 'drives' ? 'drive' : 'share' } });
        return;
      case 'network':
        await router.push({ name: 'network', params: { id: vm.id } });
        return;
      case 'inside':
        await router.push({ name: 'inside', params: { id: vm.id } });
        return;
      case 'log':
        await router.push({ name: 'log', params: { id: vm.id } });
        return;
      case 'clone':
        return boxes.clone(vm, false);
      case 'clone-linked':
        return boxes.clone(vm, true);
      case 'export':
        return boxes.exportBox(vm);
      case 'delete':
        return boxes.remove(vm);
      case 'rename':
        library.renaming = vm.id;
        return;
      case 'force-off':
        library.confirming = { request: 'vm.force-off', id: vm.id };
        return;
    }
  };
}
