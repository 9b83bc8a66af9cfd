import { EventEmitter } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { buildElf } from '../../test/support/elf-builder';
import { VmError } from '../errors/vm-error';
import type { MmioBus } from '../bus/mmio-bus';
import { timerResolution } from '../host/timer-resolution';
import type { MachineConfigInput } from '../settings/settings';
import type { CoreContents } from './core-dump';
import { type MachineExit, VirtualMachine } from './virtual-machine';

/** Stands for the harts' threads, which need the build. */
class FakeHarts extends EventEmitter<{ error: [VmError] }> {
  static last: FakeHarts;
  calls: string[] = [];
  failStart = false;
  seconds = 0;

  constructor(
    readonly memory: WebAssembly.Memory,
    readonly plan: { regions: { base: number; offset: number }[] },
    readonly bus: MmioBus,
    _board: unknown,
    _threads: unknown,
    readonly trace: (line: string) => Promise<void> | undefined,
  ) {
    super();
    FakeHarts.last = this;
  }

  get statistics() {
    return { seconds: this.seconds, harts: [] };
  }
  endRun(): void {
    this.calls.push('end run');
  }
  async start(): Promise<void> {
    this.calls.push('start');
    if (this.failStart) throw new Error('no threads left');
  }
  async pause(): Promise<void> {
    this.calls.push('pause');
  }
  resume(): void {
    this.calls.push('resume');
  }
  async launch(): Promise<void> {}
  async reset(): Promise<void> {
    this.calls.push('reset');
  }
  async stop(): Promise<void> {
    this.calls.push('stop');
  }
}
vi.mock('../threads/harts', () => ({
  get HartPool() {
    return FakeHarts;
  },
}));
vi.mock('../threads/hart-threads', () => ({
  HartThreads: class {
    end = async (): Promise<void> => {};
  },
}));

const directory = mkdtempSync(join(tmpdir(), 'hartbox-machine-'));
afterAll(() => rmSync(directory, { recursive: true }));

const kernel = join(directory, 'program.elf');
const disk = join(directory, 'disk.img');
const TOHOST = 0x80000040;
beforeEach(() => {
  const parts = [{ address: 0x80000000, bytes: new Uint8Array(128) }];
  writeFileSync(kernel, buildElf({ entry: 0x80000000, parts, symbols: { tohost: TOHOST } }));
  writeFileSync(disk, new Uint8Array(4096));
});

const config: MachineConfigInput = { memory: 16 << 20, kernel, drives: [{ file: disk }] };

async function setUp(options = {}) {
  const machine = await VirtualMachine.create(config, options);
  const events: string[] = [];
  machine.on('state', (state) => events.push(state));
  machine.on('exit', (exit) => events.push(`exit ${exit.reason} ${exit.code}`));
  return { machine, events, harts: FakeHarts.last };
}

const FINISHER = 0x100000;

describe('VirtualMachine', () => {
  it('reports statistics while it runs, the sum and what is new', async () => {
    const { machine, harts } = await setUp();
    const reports: number[][] = [];
    machine.on('statistics', (total, interval) => reports.push([total.seconds, interval.seconds]));
    const report = (): Promise<void> => new Promise((resolve) => machine.once('statistics', () => resolve()));
    machine.reportStatistics(1);
    await machine.start();
    harts.seconds = 3;
    await report();
    harts.seconds = 8;
    await report();
    await machine.stop();
    expect(reports.find(([total]) => total === 3)).toEqual([3, 3]);
    expect(reports.find(([total]) => total === 8)).toEqual([8, 5]);
    const count = reports.length;
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(reports.length).toBe(count);
  });

  it('starts, pauses, resumes and stops, and releases its drives', async () => {
    const { machine, events, harts } = await setUp();
    expect(machine.state).toBe('created');
    await machine.start();
    await machine.pause();
    expect(machine.state).toBe('paused');
    await machine.resume();
    await machine.stop();
    expect(await machine.wait()).toEqual({ reason: 'stopped', code: 0 });
    expect(events).toEqual(['running', 'paused', 'running', 'stopped', 'exit stopped 0']);
    expect(harts.calls).toEqual(['start', 'pause', 'resume', 'stop']);
    await machine.stop();
    const again = await setUp();
    await again.machine.stop();
  });

  it('needs the host’s fine timers while it runs, and only then', async () => {
    let held = 0;
    const hold = vi.spyOn(timerResolution, 'hold').mockImplementation(() => {
      held++;
      return () => void held--;
    });
    const { machine } = await setUp();
    expect(held).toBe(0);
    for (const [step, expected] of [
      ['start', 1],
      ['pause', 0],
      ['resume', 1],
      ['stop', 0],
    ] as const) {
      await machine[step]();
      expect([step, held]).toEqual([step, expected]);
    }
    hold.mockRestore();
  });

  it('does things in the order in which they were asked for, but stops at once', async () => {
    const { machine, events } = await setUp();
    await Promise.all([machine.start(), machine.pause(), machine.resume(), machine.pause()]);
    const late = machine.resume();
    await machine.stop();
    await expect(late).rejects.toThrow(/cannot resume: it is ending/);
    expect(events).toEqual(['running', 'paused', 'running', 'paused', 'stopped', 'exit stopped 0']);
  });

  it('refuses what the state does not allow, and goes on', async () => {
    const { machine } = await setUp();
    await expect(machine.pause()).rejects.toMatchObject({ kind: 'State', message: expect.stringContaining('cannot pause: it is created') });
    await machine.start();
    await expect(machine.start()).rejects.toThrow(/cannot start: it is running/);
    await expect(machine.resume()).rejects.toThrow(/would have to be paused/);
    expect(machine.state).toBe('running');
    await machine.stop();
    await expect(machine.start()).rejects.toThrow(VmError);
  });

  it.each<[number, MachineExit]>([
    [0x5555, { reason: 'poweroff', code: 0 }],
    [0x2a3333, { reason: 'finisher', code: 42 }],
  ])('ends when the guest writes 0x%s to the finisher', async (value, exit) => {
    const { machine, harts } = await setUp();
    await machine.start();
    harts.bus.write(FINISHER, 4, value);
    harts.bus.write(FINISHER, 4, 0x13333);
    expect(await machine.wait()).toEqual(exit);
    expect(machine.state).toBe('stopped');
  });

  it('starts afresh when the guest asks for a reset', async () => {
    const { machine, harts } = await setUp();
    await machine.start();
    harts.bus.write(0x10000007, 1, 0x55);
    const ram = new Uint8Array(harts.memory.buffer, harts.plan.regions[0].offset, 128).fill(0xff);
    // A storm of them is one.
    for (let i = 0; i < 100; i++) harts.bus.write(FINISHER, 4, 0x7777);
    await vi.waitFor(() => expect(harts.calls.filter((call) => call !== 'end run')).toEqual(['start', 'pause', 'reset', 'resume']));
    expect(harts.calls[1]).toBe('end run');
    expect(machine.state).toBe('running');
    expect(ram.every((byte) => byte === 0)).toBe(true);
    expect(harts.bus.read(0x10000007, 1)).toBe(0);
    await machine.stop();
  });

  it('ends with the code that a program writes to tohost', async () => {
    const { machine, harts } = await setUp();
    await machine.start();
    new DataView(harts.memory.buffer).setUint32(harts.plan.regions[0].offset + TOHOST - 0x80000000, (9 << 1) | 1, true);
    expect(await machine.wait()).toEqual({ reason: 'tohost', code: 9 });
  });

  it('fails when a thread fails, with the error', async () => {
    const { machine, harts } = await setUp();
    await machine.start();
    const error = new VmError('Internal', 'A hart died.');
    harts.emit('error', error);
    harts.emit('error', new VmError('Internal', 'And another.'));
    expect(await machine.wait()).toEqual({ reason: 'error', code: 1, error });
    expect(machine.state).toBe('failed');
    expect(harts.calls).toEqual(['start', 'stop']);
  });

  it('fails when it cannot start', async () => {
    const { machine, harts } = await setUp();
    harts.failStart = true;
    await expect(machine.start()).rejects.toMatchObject({ kind: 'Internal', message: expect.stringContaining('no threads left') });
    expect(await machine.wait()).toMatchObject({ reason: 'error' });
    expect(machine.state).toBe('failed');
  });

  it('gives the output of the UART before its end', async () => {
    const { machine, harts } = await setUp();
    let output = '';
    machine.console.onData((data) => {
      output += Buffer.from(data).toString();
    });
    await machine.start();
    for (const letter of 'bye') harts.bus.write(0x10000000, 1, letter.charCodeAt(0));
    harts.bus.write(FINISHER, 4, 0x5555);
    await machine.wait();
    expect(output).toBe('bye');
  });

  it('traces to its event', async () => {
    const { machine, harts } = await setUp({ trace: ['virtio', 'trap'] });
    const lines: string[] = [];
    machine.on('trace', (line) => lines.push(line));
    harts.bus.read(0x10001000, 4);
    expect(harts.trace('trap')).toBeUndefined();
    expect(lines).toEqual([expect.stringMatching(/virtio.*Magic/), 'trap']);
    await machine.stop();
  });

  describe('writes its memory to a file', () => {
    const file = join(directory, 'core');
    /** A dump that waits where the contents are collected, until `go` is called. */
    async function dumping() {
      const { machine, harts } = await setUp();
      await machine.start();
      let go = (): void => undefined;
      const contents = new Promise<CoreContents>((resolve) => {
        go = () => resolve({ harts: [], memory: [{ base: 0, bytes: new Uint8Array(4096).fill(1) }], mappings: [] });
      });
      const collect = vi.spyOn(machine.debugger, 'coreContents').mockReturnValue(contents);
      const done = machine.dumpMemory(file).catch((error: unknown) => error);
      await vi.waitFor(() => expect(collect).toHaveBeenCalled());
      expect(machine.state).toBe('paused');
      return { machine, harts, go, done };
    }
    beforeEach(() => rmSync(file, { force: true }));

    it('and then goes on', async () => {
      const { machine, go, done } = await dumping();
      go();
      expect(await done).toBeUndefined();
      expect(machine.state).toBe('running');
      expect(readFileSync(file).subarray(0, 4).toString('latin1')).toBe('\x7fELF');
      await machine.stop();
    });

    it('and is paused after that if somebody paused it meanwhile', async () => {
      const { machine, harts, go, done } = await dumping();
      const paused = machine.pause();
      go();
      await done;
      await paused;
      expect(machine.state).toBe('paused');
      expect(harts.calls).toEqual(['start', 'pause', 'resume', 'pause']);
      await machine.stop();
    });

    it('of which nothing is left if it is switched off meanwhile', async () => {
      const { machine, go, done } = await dumping();
      const stopped = machine.stop();
      go();
      await stopped;
      expect(await done).toMatchObject({ kind: 'State' });
      expect(machine.state).toBe('stopped');
      expect(readdirSync(directory).filter((name) => name.includes('core'))).toEqual([]);
    });

    it('and goes on where the file cannot be written', async () => {
      const { machine } = await setUp();
      await machine.start();
      vi.spyOn(machine.debugger, 'coreContents').mockResolvedValue({ harts: [], memory: [], mappings: [] });
      await expect(machine.dumpMemory(join(directory, 'none', 'core'))).rejects.toMatchObject({ kind: 'Resource' });
      expect(machine.state).toBe('running');
      await machine.stop();
    });
  });

  it.each<[string, MachineConfigInput, object, string, RegExp]>([
    ['a missing kernel', { ...config, kernel: join(directory, 'none') }, {}, 'Image', /kernel .*none does not exist/],
    ['a missing initrd', { ...config, initrd: join(directory, 'none') }, {}, 'Image', /initrd .*none does not exist/],
    ['missing firmware', { ...config, firmware: join(directory, 'none') }, {}, 'Image', /firmware .*none does not exist/],
    ['a missing drive', { ...config, drives: [{ file: join(directory, 'none') }] }, {}, 'Image', /none/],
    ['too little memory', { ...config, memory: 1 << 20 }, {}, 'Config', /configuration is wrong. memory: /],
    ['more harts than there can be', { ...config, harts: 99 }, {}, 'Config', /harts: /],
    ['an unknown trace', config, { trace: ['everything'] }, 'Config', /nothing to trace under the name "everything".*mmio, virtio, trap/],
    ['a port without a name', config, { ports: [''] }, 'Config', /names/],
  ])('refuses %s', async (_, input, options, kind, message) => {
    await expect(VirtualMachine.create(input, options)).rejects.toMatchObject({ kind, message: expect.stringMatching(message) });
  });
});
