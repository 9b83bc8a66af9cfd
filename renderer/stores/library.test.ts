import { createPinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ErrorReport } from '../../engine/runner/control';
import type { Answer, Bridge, VmView } from '../../main/contract';
import { boxView } from '../../test/support/box-view';
import { useLibrary } from './library';
import { useTerminals } from './terminals';

const vm = boxView();
const refusal: ErrorReport = { kind: 'State', message: 'Not now.', details: '' };

let answers: Record<string, Answer<unknown>>;
let asked: unknown[][];
let tell: (view: VmView) => void;

beforeEach(() => {
  setActivePinia(createPinia());
  answers = { 'library.list': { ok: true, value: [vm] } };
  asked = [];
  const bridge = {
    request: async (...request: [string, ...unknown[]]) => {
      asked.push(request);
      return answers[request[0]] ?? { ok: true, value: undefined };
    },
    on: (name: string, listener: (view: VmView) => void) => {
      if (name === 'vm.changed') tell = listener;
      return () => undefined;
    },
  } as Bridge;
  vi.stubGlobal('hartbox', bridge);
  vi.spyOn(useTerminals(), 'follow').mockReturnValue(undefined);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

describe('library store', () => {
  it('reads the library and follows what the main process tells', async () => {
    const library = useLibrary();
    expect(library.loading).toBe(true);
    await library.load();
    expect(library.loading).toBe(false);
    expect(library.machines).toEqual([vm]);
    tell({ ...vm, state: 'running' });
    tell({ ...vm, id: 'two', name: 'Two' });
    expect(library.machines.map(({ id, state }) => [id, state])).toEqual([
      ['one', 'running'],
      ['two', 'off'],
    ]);
    expect(library.running).toBe(1);
  });

  it('shows why the library cannot be read, until it can', async () => {
    const library = useLibrary();
    answers['library.list'] = { ok: false, error: { kind: 'Resource', message: 'No access.', details: '' } };
    await library.load();
    expect(library.failure?.message).toBe('No access.');
    answers['library.list'] = { ok: true, value: [vm] };
    await library.refresh();
    expect(library.failure).toBeUndefined();
    expect(library.machines).toHaveLength(1);
  });

  it('keeps a refusal with its VM until it is dismissed or something else is asked', async () => {
    const library = useLibrary();
    answers['vm.pause'] = { ok: false, error: refusal };
    await library.ask('vm.pause', 'one');
    expect(library.refusals).toEqual({ one: refusal });
    await library.ask('vm.start', 'one');
    expect(library.refusals).toEqual({});
    expect(asked).toContainEqual(['vm.start', 'one']);
    await library.ask('vm.pause', 'one');
    library.dismiss('one');
    expect(library.refusals).toEqual({});
  });
});
