import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { VmError } from '../engine/errors/vm-error';
import { boxValuesSchema } from '../engine/settings/settings';
import type { BoxEntry } from '../engine/runner/library';
import type { VmView } from './contract';
import type { EngineEnd } from './engine-host';
import { TestClient, TestEngine } from '../test/support/test-engine';
import { Machines } from './machines';

const config = boxValuesSchema.parse({ name: 'One' });
const ended: EngineEnd = { exitCode: 0, killed: false };
let engines: TestEngine[];
/** Thrown where an engine process is to be started. */
let obstacle: Error | undefined;
let entries: BoxEntry[];
/** Boxes that somebody else runs. */
let elsewhere: Map<string, TestClient>;
let machines: Machines;

beforeEach(async () => {
  vi.useFakeTimers();
  engines = [];
  obstacle = undefined;
  elsewhere = new Map();
  entries = [
    { id: 'one', values: config },
    { id: 'two', values: boxValuesSchema.parse({ name: 'Two' }) },
    { id: 'bad', error: new VmError('Image', 'Damaged.') },
  ];
  machines = new Machines({
    library: {
      list: async () => entries,
      settings: async (id) => {
        const entry = entries.find((known) => known.id === id);
        if (!entry?.values) throw entry?.error ?? new VmError('Image', 'Missing.');
        return { values: entry.values };
      },
    },
    startEngine: () => {
      if (obstacle) throw obstacle;
      const engine = new TestEngine();
      engines.push(engine);
      return engine;
    },
    findRunning: async (id) => elsewhere.get(id),
    logFile: (vm) => `/logs/${vm}.log`,
  });
  await machines.list();
});
afterEach(() => {
  vi.useRealTimers();
});

async function view(id: string): Promise<VmView> {
  const found = (await machines.list()).find((known) => known.id === id);
  if (!found) throw new Error(`no VM ${id}`);
  return found;
}

async function running(id: string): Promise<TestEngine> {
  await machines.start(id);
  const engine = engines.at(-1);
  if (!engine) throw new Error('no engine was started');
  engine.client.tell({ state: 'running' });
  return engine;
}

describe('Machines', () => {
  it('says what a disk box starts from where that has a name of its own', async () => {
    const box = (id: string, file: string): BoxEntry => ({ id, values: boxValuesSchema.parse({ source: 'disk', drives: [{ file }] }) });
    entries = [box('own', '/data/machines/own/disk.qcow2'), box('foreign', '/images/trixie.qcow2')];
    expect((await machines.list()).map(({ disk }) => disk)).toEqual([undefined, 'trixie.qcow2']);
  });

  it('follows a machine from off over preparing and running to off', async () => {
    const states: string[] = [];
    machines.on('changed', ({ state }) => states.push(state));
    await machines.start('one');
    engines[0].client.tell({ state: 'preparing', progress: { phase: 'download', received: 1, total: 2 } });
    expect((await view('one')).progress).toEqual({ phase: 'download', received: 1, total: 2 });
    engines[0].client.tell({ state: 'starting' });
    engines[0].client.tell({ state: 'running' });
    await machines.powerOff('one');
    engines[0].client.emit('exit', { code: 0 });
    engines[0].emit('gone', ended);
    expect(states).toEqual(['starting', 'preparing', 'starting', 'running', 'stopping', 'off']);
    expect(engines[0].sent).toEqual(['power-off']);
    expect(machines.active()).toEqual([]);
  });

  it('shows an engine process that died on its VM alone, and the VM can start again', async () => {
    const one = await running('one');
    await running('two');
    one.emit('gone', { exitCode: 9, killed: false, reason: 'FatalError in V8.' });
    const failed = await view('one');
    expect(failed.state).toBe('failed');
    expect(failed.error?.message).toContain('"One" ended unexpectedly');
    expect(failed.error?.details).toBe('FatalError in V8.\nExit code 9\nLog: /logs/one.log');
    expect((await view('two')).state).toBe('running');
    await running('one');
    expect(await view('one')).toMatchObject({ state: 'running', error: undefined });
  });

  it('keeps the error with which a machine ended', async () => {
    await machines.start('one');
    engines[0].client.emit('exit', { code: 1, error: { kind: 'Image', message: 'Not a kernel.', details: '' } });
    engines[0].emit('gone', ended);
    expect(await view('one')).toMatchObject({ state: 'failed', error: { message: 'Not a kernel.' } });
  });

  it('calls a machine off, not crashed, whose process had to be killed to obey', async () => {
    const engine = await running('one');
    await machines.forceOff('one');
    engine.emit('gone', { exitCode: 0, killed: true });
    expect(await view('one')).toMatchObject({ state: 'off', error: undefined });
  });

  it.each<[string, (engine: TestEngine) => void]>([
    ['without its last word', () => undefined],
    ['with an error', (engine) => engine.client.emit('exit', { code: 1, error: { kind: 'Internal', message: 'No.', details: '' } })],
  ])('calls a machine off, not crashed, that was forced off and ended %s', async (_how, last) => {
    const engine = await running('one');
    await machines.forceOff('one');
    last(engine);
    engine.emit('gone', { exitCode: 1, killed: false });
    expect(await view('one')).toMatchObject({ state: 'off', error: undefined });
  });

  it('keeps the exit code that a guest gave, until the box is started again', async () => {
    const engine = await running('one');
    engine.client.emit('exit', { code: 3, isGuests: true });
    engine.emit('gone', ended);
    expect(await view('one')).toMatchObject({ state: 'off', exitCode: 3, error: undefined });
    const again = await running('one');
    expect((await view('one')).exitCode).toBeUndefined();
    // A Linux that powers off gives none.
    again.client.emit('exit', { code: 0 });
    again.emit('gone', ended);
    expect((await view('one')).exitCode).toBeUndefined();
  });

  it('reports an engine process that cannot be started, and the VM can be started again', async () => {
    obstacle = new Error('no memory');
    await expect(machines.start('one')).rejects.toThrow('could not be started: no memory');
    expect(await view('one')).toMatchObject({ state: 'failed', error: { kind: 'Resource' } });
    expect(machines.active()).toEqual([]);
    obstacle = undefined;
    await running('one');
    expect(await view('one')).toMatchObject({ state: 'running', error: undefined });
  });

  it('lets the box wake a paused guest to shut it down', async () => {
    const engine = await running('one');
    engine.client.tell({ state: 'paused' });
    await machines.powerOff('one');
    expect(engine.sent).toEqual(['power-off']);
    engine.client.tell({ state: 'running' });
    expect((await view('one')).state).toBe('stopping');
  });

  it('refuses to start a machine twice, or to pause one that is off', async () => {
    await running('one');
    await expect(machines.start('one')).rejects.toThrow('cannot be started while it is running');
    await expect(machines.pause('two')).rejects.toThrow('cannot be paused while it is off');
    await expect(machines.resume('one')).rejects.toThrow('cannot be resumed while it is running');
  });

  it('starts one process if asked twice at once', async () => {
    await Promise.all([machines.start('one'), machines.start('one')]);
    expect(engines).toHaveLength(1);
  });

  it('reports a configuration that cannot be used, and does not start it', async () => {
    expect(await view('bad')).toMatchObject({ state: 'broken', error: { message: 'Damaged.' } });
    await expect(machines.start('bad')).rejects.toThrow('Damaged.');
    expect(engines).toHaveLength(0);
  });

  it('takes a repaired configuration from disk', async () => {
    entries[2] = { id: 'bad', values: config };
    expect(await view('bad')).toMatchObject({ state: 'off', name: 'One' });
  });

  it('calls a guest stalled that does not shut down, until it does', async () => {
    const engine = await running('one');
    await machines.powerOff('one');
    vi.advanceTimersByTime(14_000);
    expect((await view('one')).stalled).toBe(false);
    vi.advanceTimersByTime(2_000);
    expect(await view('one')).toMatchObject({ state: 'stopping', stalled: true });
    await machines.forceOff('one');
    engine.client.emit('exit', { code: 0 });
    engine.emit('gone', ended);
    expect(await view('one')).toMatchObject({ state: 'off', stalled: false });
  });

  it('says when an engine process stops answering and when it is back', async () => {
    const engine = await running('one');
    engine.emit('responsive', false);
    expect((await view('one')).unresponsive).toBe(true);
    engine.emit('responsive', true);
    expect((await view('one')).unresponsive).toBe(false);
  });

  it('shows and controls a box that somebody else runs, and says who', async () => {
    const client = new TestClient();
    client.tell({ state: 'running', program: 'hartbox run' });
    elsewhere.set('two', client);
    expect(await view('two')).toMatchObject({ state: 'running', program: 'hartbox run' });
    await machines.pause('two');
    client.tell({ state: 'paused', pending: ['harts'] });
    expect(await view('two')).toMatchObject({ state: 'paused', pending: ['harts'] });
    await machines.forceOff('two');
    expect(client.calls).toEqual(['pause', 'force-off']);
    await expect(machines.start('two')).rejects.toThrow('cannot be started while it is paused');
    // The app may quit: it is not the app that runs it.
    expect(machines.active()).toEqual([]);
    elsewhere.delete('two');
    client.emit('exit', { code: 0 });
    client.emit('closed');
    expect(await view('two')).toMatchObject({ state: 'off', program: undefined });
  });

  it('follows a box again whose line was cut', async () => {
    const [first, second] = [new TestClient(), new TestClient()];
    first.tell({});
    elsewhere.set('two', first);
    await machines.list();
    second.tell({ state: 'paused' });
    elsewhere.set('two', second);
    first.emit('closed');
    await vi.advanceTimersByTimeAsync(1);
    expect(await view('two')).toMatchObject({ state: 'paused' });
  });

  it('finds a box that was started elsewhere before it starts it', async () => {
    const client = new TestClient();
    client.tell({});
    elsewhere.set('one', client);
    await expect(machines.start('one')).rejects.toThrow('cannot be started while it is running');
    expect(engines).toHaveLength(0);
  });

  it('starts a box again that was to be restarted, once it is off, but not after an error', async () => {
    const engine = await running('one');
    await machines.restart('one');
    engine.client.emit('exit', { code: 0 });
    engine.emit('gone', ended);
    await vi.advanceTimersByTimeAsync(1);
    expect(engines).toHaveLength(2);
    engines[1].client.tell({});
    await machines.restart('one');
    engines[1].emit('gone', { exitCode: 9, killed: false });
    await vi.advanceTimersByTimeAsync(1);
    expect(engines).toHaveLength(2);
    expect((await view('one')).state).toBe('failed');
  });

  it('tells what was added, changed and removed on disk', async () => {
    const told: string[] = [];
    machines.on('changed', ({ id, name }) => told.push(`${id} is ${name}`));
    machines.on('removed', (id) => told.push(`${id} is gone`));
    entries = [entries[0], { id: 'new', values: boxValuesSchema.parse({ name: 'New' }) }, { id: 'bad', values: config }];
    await machines.list();
    await machines.list();
    expect(told).toEqual(['new is New', 'bad is One', 'two is gone']);
  });

  it('knows all boxes when it tells of one', async () => {
    await running('two');
    const active: string[][] = [];
    machines.on('changed', () => active.push(machines.active().map(({ id }) => id)));
    entries = [{ id: 'one', values: boxValuesSchema.parse({ name: 'Renamed' }) }, entries[1]];
    await machines.list();
    expect(active).toEqual([['two']]);
  });

  it('hands on which changed settings took effect', async () => {
    expect(await machines.applySettings('one')).toBeUndefined();
    await running('one');
    expect(await machines.applySettings('one')).toEqual({ live: ['name'], restart: ['harts'] });
  });
});
