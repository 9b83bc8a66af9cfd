import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { VmError } from '../engine/bus/vm-error';
import { machineConfigSchema } from '../engine/machine/config';
import type { VmEntry } from '../engine/machine/vm-library';
import type { EngineRequest } from '../engine/process/contract';
import type { VmView } from './contract';
import type { EngineEnd, EngineHostEvents } from './engine-host';
import { Machines } from './machines';

class TestEngine extends EventEmitter<EngineHostEvents> {
  readonly pid = 4000;
  readonly sent: EngineRequest['type'][] = [];
  send(request: EngineRequest): void {
    this.sent.push(request.type);
  }
  end(): void {
    this.sent.push('force-off');
  }
}

const config = machineConfigSchema.parse({ name: 'One' });
const ended: EngineEnd = { exitCode: 0, killed: false };
let engines: TestEngine[];
/** Thrown where an engine process is to be started. */
let obstacle: Error | undefined;
let entries: VmEntry[];
let machines: Machines;

beforeEach(async () => {
  vi.useFakeTimers();
  engines = [];
  obstacle = undefined;
  entries = [
    { id: 'one', config },
    { id: 'two', config: machineConfigSchema.parse({ name: 'Two' }) },
    { id: 'bad', error: new VmError('Image', 'Damaged.') },
  ];
  machines = new Machines({
    library: {
      list: async () => entries,
      config: async (id) => {
        const entry = entries.find((known) => known.id === id);
        if (!entry?.config) throw entry?.error ?? new VmError('Image', 'Missing.');
        return entry.config;
      },
    },
    startEngine: () => {
      if (obstacle) throw obstacle;
      const engine = new TestEngine();
      engines.push(engine);
      return engine;
    },
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
  engine.emit('event', { type: 'state', state: 'running' });
  return engine;
}

describe('Machines', () => {
  it('follows a machine from off over preparing and running to off', async () => {
    const states: string[] = [];
    machines.on('changed', ({ state }) => states.push(state));
    await machines.start('one');
    engines[0].emit('event', { type: 'progress', progress: { phase: 'download', received: 1, total: 2 } });
    expect((await view('one')).progress).toEqual({ phase: 'download', received: 1, total: 2 });
    engines[0].emit('event', { type: 'state', state: 'starting' });
    engines[0].emit('event', { type: 'state', state: 'running' });
    machines.powerOff('one');
    engines[0].emit('event', { type: 'exit', code: 0 });
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
    engines[0].emit('event', { type: 'exit', code: 1, error: { kind: 'Image', message: 'Not a kernel.', details: '' } });
    engines[0].emit('gone', ended);
    expect(await view('one')).toMatchObject({ state: 'failed', error: { message: 'Not a kernel.' } });
  });

  it('calls a machine off, not crashed, whose process had to be killed to obey', async () => {
    const engine = await running('one');
    machines.forceOff('one');
    engine.emit('gone', { exitCode: 0, killed: true });
    expect(await view('one')).toMatchObject({ state: 'off', error: undefined });
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

  it('wakes a paused guest to shut it down', async () => {
    const engine = await running('one');
    engine.emit('event', { type: 'state', state: 'paused' });
    machines.powerOff('one');
    expect(engine.sent).toEqual(['resume', 'power-off']);
    engine.emit('event', { type: 'state', state: 'running' });
    expect((await view('one')).state).toBe('stopping');
  });

  it('refuses to start a machine twice, or to pause one that is off', async () => {
    await running('one');
    await expect(machines.start('one')).rejects.toThrow('already running');
    expect(() => machines.pause('two')).toThrow('cannot be paused while it is off');
    expect(() => machines.resume('one')).toThrow('cannot be resumed while it is running');
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
    entries[2] = { id: 'bad', config };
    expect(await view('bad')).toMatchObject({ state: 'off', name: 'One' });
  });

  it('calls a guest stalled that does not shut down, until it does', async () => {
    const engine = await running('one');
    machines.powerOff('one');
    vi.advanceTimersByTime(14_000);
    expect((await view('one')).stalled).toBe(false);
    vi.advanceTimersByTime(2_000);
    expect(await view('one')).toMatchObject({ state: 'stopping', stalled: true });
    machines.forceOff('one');
    engine.emit('event', { type: 'exit', code: 0 });
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
});
