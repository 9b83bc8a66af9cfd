import { createPinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Answer, VmView } from '../../main/contract';
import { useBoxTasks } from './box-tasks';
import { useLibrary } from './library';

const vm = { id: 'one', name: 'One', state: 'off' } as VmView;

let answers: Record<string, Answer<unknown> | Promise<Answer<unknown>>>;
let asked: unknown[][];
let tell: (progress: { task: string; done: number; total: number }) => void;

beforeEach(() => {
  vi.useFakeTimers();
  setActivePinia(createPinia());
  vi.spyOn(useLibrary(), 'refresh').mockResolvedValue(undefined);
  answers = {};
  asked = [];
  vi.stubGlobal('hartbox', {
    request: async (...request: unknown[]) => {
      asked.push(request);
      return answers[String(request[0])] ?? { ok: true, value: null };
    },
    on: (name: string, listener: typeof tell) => {
      if (name === 'box.progress') tell = listener;
      return () => undefined;
    },
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe('tasks on boxes', () => {
  it('show how far they are, then that they are done, for a while', async () => {
    const boxes = useBoxTasks();
    let finish: (answer: Answer<unknown>) => void = () => undefined;
    answers['box.clone'] = new Promise((resolve) => {
      finish = resolve;
    });
    const done = boxes.clone(vm, true);
    const [{ id }] = boxes.tasks;
    expect(asked).toEqual([['box.clone', 'one', true, id]]);
    tell({ task: id, done: 5, total: 10 });
    expect(boxes.tasks).toMatchObject([{ text: 'cloning', state: 'busy', progress: { done: 5, total: 10 } }]);
    finish({ ok: true, value: 'one-copy' });
    await done;
    expect(boxes.tasks).toMatchObject([{ text: 'cloned', state: 'done', progress: undefined }]);
    expect(useLibrary().refresh).toHaveBeenCalled();
    vi.runAllTimers();
    expect(boxes.tasks).toEqual([]);
  });

  it('tell what a crash has left, until that is dismissed', async () => {
    const boxes = useBoxTasks();
    answers['box.recovered'] = { ok: true, value: [{ what: 'interrupted', count: 2, names: ['One', 'Two'] }] };
    await boxes.showRecovered();
    vi.runAllTimers();
    expect(boxes.tasks).toMatchObject([{ text: 'recovered.interrupted', params: { names: 'One, Two' }, state: 'done' }]);
    boxes.dismiss(boxes.tasks[0].id);
    expect(boxes.tasks).toEqual([]);
  });

  it('stay with what went wrong, until that is dismissed', async () => {
    const boxes = useBoxTasks();
    answers['box.clone'] = { ok: false, error: { kind: 'Resource', message: 'No room.', details: '' } };
    await boxes.clone(vm, false);
    vi.runAllTimers();
    expect(boxes.tasks).toMatchObject([{ state: 'failed', error: { message: 'No room.' } }]);
    boxes.dismiss(boxes.tasks[0].id);
    expect(boxes.tasks).toEqual([]);
  });

  it('say nothing where no file was picked, or the user gave up', async () => {
    const boxes = useBoxTasks();
    await boxes.importBox(null);
    expect(boxes.tasks).toEqual([]);
    let fail: (answer: Answer<unknown>) => void = () => undefined;
    answers['box.export'] = new Promise((resolve) => {
      fail = resolve;
    });
    const ended = boxes.exportBox(vm);
    boxes.cancel(boxes.tasks[0].id);
    fail({ ok: false, error: { kind: 'Internal', message: 'Aborted', details: '' } });
    await ended;
    expect(boxes.tasks).toEqual([]);
  });

  it('show which file is being sent and how far it is, and end that', async () => {
    const [boxes, library] = [useBoxTasks(), useLibrary()];
    let fail: (answer: Answer<unknown>) => void = () => undefined;
    answers['vm.send-files'] = new Promise((resolve) => {
      fail = resolve;
    });
    library.machines = [vm];
    const ended = boxes.sendFiles(vm, ['/a', '/b']);
    expect(boxes.tasks).toMatchObject([{ text: 'sending', state: 'busy' }]);
    library.machines = [{ ...vm, clipboard: { isThere: true, copies: 0, sending: { file: 'a', done: 3, size: 9 } } }];
    await vi.waitFor(() =>
      expect(boxes.tasks).toMatchObject([{ text: 'sendingFile', params: { name: 'One', file: 'a' }, progress: { done: 3, total: 9 } }]),
    );
    boxes.cancel(boxes.tasks[0].id);
    expect(asked).toContainEqual(['vm.cancel-files', 'one']);
    fail({ ok: false, error: { kind: 'State', message: 'No more.', details: '' } });
    await ended;
    expect(boxes.tasks).toEqual([]);
  });

  it('bring a removed box back', async () => {
    const boxes = useBoxTasks();
    answers['box.remove'] = { ok: true, value: 'removal' };
    await boxes.remove(vm);
    expect(boxes.tasks).toMatchObject([{ text: 'deleted', removal: 'removal' }]);
    await boxes.undo(boxes.tasks[0]);
    expect(asked).toContainEqual(['box.restore', 'removal']);
    expect(boxes.tasks).toMatchObject([{ text: 'restored', removal: undefined }]);
  });
});
