import { defineStore } from 'pinia';
import { ref, watch } from 'vue';
import type { ErrorReport } from '../../engine/runner/control';
import type { ImageProgress } from '../../engine/catalogue/progress';
import type { TrashedBox } from '../../engine/runner/trash';
import type { VmView } from '../../main/contract';
import type { ImageBoxSeed } from '../../main/image-contract';
import { errorReport, request } from '../bridge';
import { useClipboards } from './clipboards';
import { useLibrary } from './library';

/** How long a notice about what is done stays, in milliseconds; longer where it can be undone. */
const DONE_MS = 6000;
const UNDO_MS = 25_000;

/** Something that was asked of boxes and is going on, has ended, or failed. */
export interface BoxTask {
  id: string;
  /** Key of its text below `boxes`, and what to put into that. */
  text: string;
  params: Record<string, string>;
  state: 'busy' | 'done' | 'failed';
  /** In bytes, as far as known. */
  progress?: { done: number; total: number };
  /** How far the system is that a box is made of. */
  image?: ImageProgress;
  error?: ErrorReport;
  /** How to give up on it, where that is not by `box.cancel` or `image.cancel`. */
  cancel?: () => Promise<void>;
  /** What `box.restore` takes. */
  removal?: string;
}

/** What takes time or can be undone: copies, exports, imports and removals, for the notices about them. */
export const useBoxTasks = defineStore('box-tasks', () => {
  const library = useLibrary();
  const clipboards = useClipboards();
  const tasks = ref<BoxTask[]>([]);
  /** What main tells of tasks it tells all windows. */
  const newTask = (): string => `task-${crypto.randomUUID()}`;
  let isListening = false;

  function listen(): void {
    if (isListening) return;
    isListening = true;
    window.hartbox.on('box.progress', ({ task, done, total }) => change(task, { progress: { done, total } }));
    window.hartbox.on('image.progress', ({ task, progress }) => change(task, { image: progress }));
  }

  function change(id: string, to: Partial<BoxTask>): void {
    tasks.value = tasks.value.map((task) => (task.id === id ? { ...task, ...to } : task));
  }

  function dismiss(id: string): void {
    tasks.value = tasks.value.filter((task) => task.id !== id);
  }

  /** Show that it goes on, do it, and show how it ended. `work` answers the text for that, or undefined where there is nothing to say. */
  async function during(
    text: string,
    params: Record<string, string>,
    work: (id: string) => Promise<Partial<BoxTask> | undefined>,
  ): Promise<void> {
    listen();
    const id = newTask();
    tasks.value = [...tasks.value, { id, text, params, state: 'busy' }];
    try {
      const end = await work(id);
      if (!end) {
        dismiss(id);
        return;
      }
      change(id, { state: 'done', progress: undefined, image: undefined, ...end });
      setTimeout(() => dismiss(id), end.removal === undefined ? DONE_MS : UNDO_MS);
      await library.refresh();
    } catch (error) {
      const report = errorReport(error);
      // Given up on, as the user wanted.
      if (cancelled.delete(id)) dismiss(id);
      else change(id, { state: 'failed', error: report, progress: undefined, image: undefined });
    }
  }

  const cancelled = new Set<string>();
  function cancel(id: string): void {
    cancelled.add(id);
    const task = tasks.value.find((one) => one.id === id);
    if (task?.cancel) void task.cancel();
    else void request(task?.image ? 'image.cancel' : 'box.cancel', id);
  }

  const clone = (vm: VmView, linked: boolean): Promise<void> =>
    during('cloning', { name: vm.name }, async (task) => {
      await request('box.clone', vm.id, linked, task);
      return { text: 'cloned' };
    });

  /** Make a box of a system, which is fetched or made first where it is not here. Resolves with its id, undefined where that came to nothing. */
  async function makeOfImage(
    image: string,
    values: Record<string, unknown>,
    seed: ImageBoxSeed,
    diskSize: number | null,
    andStart: boolean,
  ): Promise<string | undefined> {
    let id: string | undefined;
    await during('making', { name: String(values['name']) }, async (task) => {
      id = await request('image.create-box', image, values, seed, diskSize, task);
      await library.refresh();
      if (andStart) await library.ask('vm.start', id);
      return { text: 'made' };
    });
    return id;
  }

  /** Fetch or make a system for boxes to come, or that which is published now. */
  const fetchImage = (image: string, name: string, update: boolean): Promise<void> =>
    during(update ? 'updating' : 'fetching', { name }, async (task) => {
      await request('image.fetch', image, update, task);
      return { text: 'fetched' };
    });

  const exportBox = (vm: VmView): Promise<void> =>
    during('exporting', { name: vm.name }, async (task) => {
      const file = await request('box.export', vm.id, task);
      return file === null ? undefined : { text: 'exported', params: { name: vm.name, file } };
    });

  const savePicture = (vm: VmView, screen: number): Promise<void> =>
    during('photographing', { name: vm.name }, async () => {
      const file = await request('vm.screenshot', vm.id, screen);
      return file === null ? undefined : { text: 'photographed', params: { name: vm.name, file } };
    });

  /** Files that were dropped on its screen. */
  const sendFiles = (vm: VmView, files: string[]): Promise<void> =>
    during('sending', { name: vm.name }, async (task) => {
      const stop = watch(
        () => library.machine(vm.id)?.clipboard?.sending,
        (sending) => {
          if (!sending) return;
          change(task, {
            ...{ text: 'sendingFile', params: { name: vm.name, file: sending.file } },
            progress: { done: sending.done, total: sending.size },
            cancel: () => request('vm.cancel-files', vm.id),
          });
        },
      );
      try {
        await request('vm.send-files', vm.id, files);
      } finally {
        stop();
      }
      return { text: 'sent', params: { name: vm.name } };
    });

  const giveClipboard = (vm: VmView): Promise<void> =>
    during('givingClipboard', { name: vm.name }, async () => {
      await request('vm.give-clipboard', vm.id, true);
      return { text: 'gaveClipboard' };
    });

  /** Of a text that got to the guest nothing is said. */
  const insertText = (vm: VmView, text: string): Promise<void> =>
    request('vm.insert-text', vm.id, text).catch((error: unknown) =>
      during('insertingText', { name: vm.name }, () => {
        throw error;
      }),
    );

  const takeClipboard = (vm: VmView): Promise<void> =>
    during('takingClipboard', { name: vm.name }, async () => ({ text: (await clipboards.take(vm.id)) ? 'tookClipboard' : 'tookNothing' }));

  const importBox = (file: string | null): Promise<void> =>
    during('importing', {}, async (task) => ((await request('box.import', file, task)) === null ? undefined : { text: 'imported' }));

  /** Import what the user opened with the app. */
  async function importOpened(): Promise<void> {
    for (const file of await request('app.opened-files')) await importBox(file);
  }

  const remove = (vm: VmView): Promise<void> =>
    during('deleting', { name: vm.name }, async () => ({ text: 'deleted', removal: await request('box.remove', vm.id) }));

  const restore = ({ trashId, name }: TrashedBox): Promise<void> =>
    during('restoring', { name }, async () => {
      await request('box.restore', trashId);
      return { text: 'restored' };
    });

  /** Delete boxes in the trash for good. */
  const purge = (boxes: readonly TrashedBox[]): Promise<void> =>
    during('purging', { names: boxes.map(({ name }) => name).join(', ') }, async () => {
      await request(
        'box.purge',
        boxes.map(({ trashId }) => trashId),
      );
      return { text: 'purged' };
    });

  /** Show what was found of a crash, until it is dismissed. */
  async function showRecovered(): Promise<void> {
    for (const { what, count, names } of await request('box.recovered'))
      tasks.value = [
        ...tasks.value,
        { id: newTask(), text: `recovered.${what}`, params: { count: `${count}`, names: names.join(', ') }, state: 'done' },
      ];
  }

  async function undo(task: BoxTask): Promise<void> {
    const { id, removal } = task;
    if (removal === undefined) return;
    change(id, { removal: undefined });
    try {
      await request('box.restore', removal);
      change(id, { text: 'restored' });
      await library.refresh();
    } catch (error) {
      change(id, { state: 'failed', error: errorReport(error) });
    }
  }

  return {
    tasks,
    during,
    dismiss,
    cancel,
    clone,
    makeOfImage,
    fetchImage,
    exportBox,
    savePicture,
    sendFiles,
    giveClipboard,
    insertText,
    takeClipboard,
    importBox,
    importOpened,
    remove,
    restore,
    purge,
    undo,
    showRecovered,
  };
});
