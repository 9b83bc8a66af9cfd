/**
 * The examples of the devices' API reference, in the idiom of TypeScript: what someone who embeds the engine writes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { aiRequest, FakeInference, inferenceAnswers } from '../test/support/inference-message';
import { TEST_RAM_BASE } from '../test/support/guest-memory';
import { MockDriver, QUEUE_FEATURES } from '../test/support/mock-driver';
import {
  Clint,
  DeviceError,
  DeviceManager,
  type DeviceStatus,
  HumanInput,
  InferenceServer,
  type MmioDevice,
  Plic,
  Scanout,
  Virtio9p,
  VirtioAi,
  VirtioBalloon,
  VirtioConsole,
  VirtioCrypto,
  VirtioFs,
  VirtioGpu,
  VirtioNet,
  VirtioRng,
  VirtioSound,
  VirtioWatchdog,
  VmError,
} from './index';

describe.skipIf(process.platform !== 'linux')('a shared folder', () => {
  it('is made of its path and a tag, by which the guest mounts it', async () => {
    const path = mkdtempSync(join(tmpdir(), 'hartbox-api-'));
    const share = await Virtio9p.open({ path, tag: 'work', readonly: true });
    expect(share.status).toEqual({ kind: 'Initialized' });
    const driver = MockDriver.for(share);
    driver.start();
    expect(share.status).toEqual({ kind: 'Running' });
    // The tag's length, then the tag.
    expect(Array.from({ length: 6 }, (_, at) => share.readConfig(at, 1))).toEqual([4, 0, ...Buffer.from('work')]);
    driver.write('Status', 0);
    await share.close();
    rmSync(path, { recursive: true });
    await expect(Virtio9p.open({ path, tag: 'work' })).rejects.toThrow(/does not exist/);
  });

  it('is the same by virtio-fs', async () => {
    const path = mkdtempSync(join(tmpdir(), 'hartbox-api-'));
    const share = await VirtioFs.open({ path, tag: 'work', readonly: true });
    const driver = MockDriver.for(share);
    driver.start();
    expect(share.status).toEqual({ kind: 'Running' });
    // The tag, then how many queues there are for requests.
    expect(Array.from({ length: 6 }, (_, at) => share.readConfig(at, 1))).toEqual([...Buffer.from('work'), 0, 0]);
    expect(share.readConfig(36, 4)).toBe(1);
    driver.write('Status', 0);
    await share.close();
    rmSync(path, { recursive: true });
    await expect(VirtioFs.open({ path, tag: 'work' })).rejects.toThrow(/does not exist/);
  });
});

describe('interrupt controllers', () => {
  it('are made, set and asked like this', () => {
    const clint = new Clint({ harts: 4, timebase: 10_000_000 });
    clint.setTimer(0, 1_000_000);
    expect([clint.read(0x4000, 4), clint.read(0x4004, 4)]).toEqual([1_000_000, 0]);
    expect(clint.read(0xbff8, 4)).toBeLessThan(10_000_000);

    const plic = new Plic({ sources: 32, contexts: 4 });
    plic.setPriority(1, 7);
    plic.enableInterrupt(0, 1);
    plic.line(1).setLevel(true);
    expect(plic.read(0x200004, 4)).toBe(1);
    plic.enableInterrupt(0, 1, false);
    expect(plic.read(0x2000, 4)).toBe(0);
  });

  it('say what is wrong with parameters', () => {
    expect(() => new Clint({ harts: 17 })).toThrow(VmError);
    expect(() => new Clint({ harts: 1 }).setTimer(1, 0)).toThrow(/harts 0 to 0/);
    expect(() => new Clint({ harts: 1 }).setTimer(0, -1)).toThrow(/whole number/);
    const plic = new Plic({ sources: 32, contexts: 4 });
    expect(() => plic.setPriority(33, 1)).toThrow(/sources 1 to 32/);
    expect(() => plic.setPriority(1, 8)).toThrow(/priorities 0 to 7/);
    expect(() => plic.enableInterrupt(4, 1)).toThrow(/contexts 0 to 3/);
  });
});

describe('virtio devices', () => {
  it('are made like this', () => {
    const terminal = new VirtioConsole();
    expect(terminal.deviceId).toBe(3);
    expect(terminal.console.isOpen).toBe(false);
    const rng = new VirtioRng();
    expect(rng.deviceId).toBe(4);
    const crypto = new VirtioCrypto();
    expect(crypto.deviceId).toBe(20);
    const sound = new VirtioSound();
    expect(sound.streams.map(({ direction }) => direction)).toEqual(['playback', 'playback', 'recording']);
    const statuses: DeviceStatus[] = [terminal.status, rng.status, crypto.status, sound.status];
    expect(statuses).toEqual(statuses.map(() => ({ kind: 'Initialized' })));
  });
});

describe('a memory balloon', () => {
  it('asks the guest for memory, and gives the host what it gets', async () => {
    const gone: number[] = [];
    const pages = { pageBytes: 4096, release: (bytes: Uint8Array) => gone.push(bytes.length) > 0 };
    const balloon = new VirtioBalloon({ memoryBytes: 1 << 20, pages });
    const driver = MockDriver.for(balloon).start({ features: [5, ...QUEUE_FEATURES] });
    balloon.inflateTo(64 << 10);
    expect(balloon.readConfig(0, 4)).toBe(16);
    // The driver gives up a page, and says how many that makes.
    const pfn = Uint32Array.of(TEST_RAM_BASE / 4096 + 300);
    driver.queues[0].add({ readable: [new Uint8Array(pfn.buffer)] });
    driver.queues[0].kick(true);
    await driver.queues[0].waitUsed(1);
    balloon.writeConfig(4, 4, 1);
    expect(balloon.fill).toEqual({ wanted: 64 << 10, actual: 4096, released: 4096, isDriven: true });
    expect(gone).toEqual([4096]);
  });
});

describe('input devices', () => {
  it('tell the guest what happens, in words of Linux', async () => {
    const keyboard = new HumanInput('keyboard');
    expect(keyboard.deviceId).toBe(18);
    const [EV_SYN, EV_KEY, KEY_A] = [0, 1, 30];
    // Nobody is there to hear it.
    expect(keyboard.report([{ type: EV_KEY, code: KEY_A, value: 1 }])).toBe(false);
    const driver = MockDriver.for(keyboard).start();
    const events = [0, 1].map(() => driver.queues[0].add({ writable: [8] }));
    driver.queues[0].kick(true);
    expect(keyboard.report([{ type: EV_KEY, code: KEY_A, value: 1 }])).toBe(true);
    await driver.queues[0].waitUsed(2);
    expect(events.map((event) => [...driver.written(event)])).toEqual([
      [EV_KEY, 0, KEY_A, 0, 1, 0, 0, 0],
      [EV_SYN, 0, 0, 0, 0, 0, 0, 0],
    ]);
  });
});

describe('a graphics adapter', () => {
  it('has the screens that it is given', () => {
    const screen = new Scanout({ width: 640, height: 480 });
    const gpu = new VirtioGpu({ scanouts: [screen] });
    expect([gpu.deviceId, gpu.status, screen.size]).toEqual([16, { kind: 'Initialized' }, undefined]);
    // num_scanouts
    expect(gpu.readConfig(8, 4)).toBe(1);
  });
});

describe('an AI device', () => {
  it('runs models by whatever back end it is given', async () => {
    const limits = { memoryBytes: 1 << 28, milliseconds: 1000 };
    const ai = new VirtioAi({ server: new InferenceServer({ backend: new FakeInference(), limits }) });
    expect([ai.deviceId, ai.status]).toEqual([0x3e, { kind: 'Initialized' }]);
    const driver = MockDriver.for(ai).start();
    // What runs models there? OPERATION.hello of docs/ai.md, of the driver's client 1.
    const asked = driver.queues[0].add({ readable: [aiRequest(1, { operation: 1, id: 5 })], writable: [256] });
    driver.queues[0].kick(true);
    await driver.queues[0].waitUsed(1);
    const [{ header, body }] = inferenceAnswers(Uint8Array.from(driver.written(asked))).answers;
    expect([header.status, header.id, body.toString('utf8', 24)]).toEqual([0, 5, 'fake']);
  });
});

describe('a watchdog', () => {
  it('calls whoever made it where its driver is silent for too long', () => {
    let bites = 0;
    let end: (() => void) | undefined;
    const later = (work: () => void): (() => void) => {
      end = work;
      return () => (end = undefined);
    };
    const dog = new VirtioWatchdog({ bite: () => bites++, later });
    expect(dog.deviceId).toBe(35);
    const driver = MockDriver.for(dog).start();
    expect(end).toBeUndefined();
    const ping = driver.queues[0].add({ writable: [1] });
    driver.queues[0].kick(true);
    expect(driver.written(ping)[0]).toBe(1);
    end?.();
    expect(bites).toBe(1);
    // A reset calls it off.
    driver.queues[0].add({ writable: [1] });
    driver.queues[0].kick(true);
    driver.write('Status', 0);
    expect(end).toBeUndefined();
  });
});

describe('DeviceManager', () => {
  it('registers devices and routes accesses and interrupts to them', async () => {
    const manager = new DeviceManager();
    const id = manager.register(new Clint({ harts: 1 }));
    manager.write(id, 0x4000, 4, 42);
    expect(manager.read(id, 0x4000, 4)).toBe(42);

    let interrupts = 0;
    const own: MmioDevice = {
      name: 'own@5000000',
      base: 0x500_0000,
      size: 0x1000,
      read: () => 1,
      write: (offset) => {
        throw DeviceError.NotSupported(`Register ${offset} is read-only.`);
      },
      interrupt: () => void interrupts++,
    };
    const ownId = manager.register(own);
    manager.handleInterrupt(ownId, 0);
    expect(interrupts).toBe(1);
    expect(manager.find(ownId)).toBe(own);
    expect(manager.status(ownId)).toEqual({ kind: 'Running' });
    expect(await manager.remove(ownId)).toBe(true);
  });
});

describe('errors', () => {
  it('are told apart like this', () => {
    const manager = new DeviceManager();
    const outcome = (work: () => void): string => {
      try {
        work();
        return 'fine';
      } catch (error) {
        if (error instanceof DeviceError && error.code === 'InvalidParameter') return `parameter: ${error.message}`;
        if (error instanceof VmError) return error.kind;
        throw error;
      }
    };
    expect(outcome(() => manager.read(1, 0, 4))).toBe('parameter: There is no device 1.');
    expect(outcome(() => manager.handleInterrupt(manager.register(new Plic({ sources: 1, contexts: 1 })), 0))).toBe('Device');
  });
});

describe('network adapters', () => {
  it('are made, and exchange packets with a program, like this', () => {
    const net = new VirtioNet({ mac: '52:54:00:12:34:56', queues: 2, mtu: 1500 });
    expect([net.mac, net.mtu]).toEqual(['52:54:00:12:34:56', 1500]);
    const packet = new Uint8Array(64);
    // Without a guest nobody takes it, and there is none to be fetched.
    expect(net.sendPacket(packet)).toBe(false);
    expect(net.receivePacket()).toBeUndefined();
    const several = VirtioNet.withQueues('52:54:00:12:34:57', 4, 1500);
    expect(several.queueSizes).toHaveLength(2 * 4 + 1);
  });

  it('hand packets over once a guest is there', () => {
    const net = new VirtioNet({ mac: '52:54:00:12:34:56' });
    const driver = MockDriver.for(net).start();
    const buffer = driver.queues[0].add({ writable: [256] });
    const packet = new Uint8Array(64).fill(7);
    expect(net.sendPacket(packet)).toBe(true);
    expect(Uint8Array.from(driver.written(buffer)).subarray(12, 12 + 64)).toEqual(packet);
    driver.queues[1].add({ readable: [new Uint8Array(12), packet] });
    driver.queues[1].kick(true);
    expect(net.receivePacket()).toEqual(packet);
    expect(net.receivePacket()).toBeUndefined();
    // What finds no buffer waits, as much as there is room for.
    expect(Array.from({ length: 257 }, () => net.sendPacket(packet)).indexOf(false)).toBe(256);
    driver.queues[0].add({ writable: [256] });
    driver.queues[0].kick(true);
    expect(net.sendPacket(packet)).toBe(true);
  });
});
