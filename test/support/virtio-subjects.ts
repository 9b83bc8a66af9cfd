import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { SharedFolder } from '../../engine/backend/share/shared-folder';
import { RamDisk } from '../../engine/backend/disk/ram';
import { Scanout } from '../../engine/gpu/scanout';
import type { Activation, VirtioDevice } from '../../engine/virtio/device';
import { VirtioAi } from '../../engine/virtio/devices/ai';
import { VirtioBalloon } from '../../engine/virtio/devices/balloon';
import { VirtioBlock } from '../../engine/virtio/devices/block';
import { VirtioConsole } from '../../engine/virtio/devices/console';
import { VirtioCrypto } from '../../engine/virtio/devices/crypto/device';
import { VirtioFs } from '../../engine/virtio/devices/fs/device';
import { VirtioGpu } from '../../engine/virtio/devices/gpu/device';
import { VirtioNet } from '../../engine/virtio/devices/net/device';
import { Virtio9p } from '../../engine/virtio/devices/nine-p/device';
import { HumanInput } from '../../engine/virtio/devices/human-input';
import { PowerButton } from '../../engine/virtio/devices/power-button';
import { VirtioRng } from '../../engine/virtio/devices/rng';
import { VirtioScsi } from '../../engine/virtio/devices/scsi/device';
import { VirtioSound } from '../../engine/virtio/devices/sound/device';
import { VirtioWatchdog } from '../../engine/virtio/devices/watchdog';
import type { VirtioKind } from '../../engine/virtio/registry';
import { fuseInit, fuseRequest } from './fuse-message';
import { gpuRequest } from './gpu-requests';
import { aiRequest, fakeInferenceServer, runBody } from './inference-message';
import type { MockQueue } from './mock-queue';
import { NinePMessage, u64 } from './nine-p-message';
import { EchoBackend, numberedFrame, TalkativeBackend } from './net-frames';

/** One queue of a kind of device, as the life-cycle tests work on it. */
export interface LifecycleSubject {
  /** What the requests are; nothing where there is one sort. */
  what?: string;
  create: () => VirtioDevice;
  queue: number;
  /** Make `count` requests that the device can answer. */
  request: (queue: MockQueue, count: number) => void;
}

export interface VirtioSubjects {
  lifecycle: readonly LifecycleSubject[];
  /** Devices for hostile drivers, with something to say, by what is special about them. */
  hostile: Readonly<Record<string, () => VirtioDevice>>;
}

/** A RAM disk whose operations take a while, as a file's do. */
class SlowDisk extends RamDisk {
  override async readv(offset: number, buffers: Uint8Array[]): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 5));
    await super.readv(offset, buffers);
  }
}

const MAC = '02:48:42:00:00:01';

/** A button that is pressed whenever a driver has come up. */
class PressedButton extends PowerButton {
  protected override onActivate(): void {
    for (let times = 0; times < 20; times++) this.press();
  }
}

/** Fingers that come and go whenever a driver has come up. */
class BusyTouchscreen extends HumanInput {
  constructor() {
    super('touchscreen');
  }
  protected override onActivate(): void {
    for (let i = 0; i < 100; i++)
      this.report([
        { type: 3, code: 0x2f, value: i % 10 },
        { type: 3, code: 0x39, value: i },
      ]);
  }
}

/** Takes pages and does nothing with them. */
const noPages = { pageBytes: 4096, release: () => true };

/** A balloon that wants all that its driver can tell whenever one has come up. */
class WantingBalloon extends VirtioBalloon {
  protected override onActivate(activation: Activation): void {
    super.onActivate(activation);
    // Once it is active.
    queueMicrotask(() => {
      void this.readStatistics();
      void this.reclaimFree();
    });
  }
}

/** So that requests are served at once, however slow the machine is. */
const timeless = (): number => 0;

/** The fixed part of a control request for a session that encrypts with AES-CBC and a key of 16 bytes. */
function cipherSession(): Uint8Array {
  const request = new DataView(new ArrayBuffer(72));
  for (const [at, value] of [
    [0, 2],
    [16, 3],
    [20, 16],
    [24, 1],
    [64, 1],
  ])
    request.setUint32(at, value, true);
  return new Uint8Array(request.buffer);
}

/** A crypto device whose driver has a session of every number that it may guess. */
class SessionsOpen extends VirtioCrypto {
  protected override onActivate(): void {
    const session = { key: '', resultBytes: 16, isPrivate: false, isPadded: false, hash: 0 };
    const aes = Buffer.alloc(16).toString('base64');
    this.state.restore({
      version: 1,
      state: {
        next: 8,
        sessions: [
          { ...session, id: 1, service: 'cipher', algorithm: 3, key: aes },
          { ...session, id: 2, service: 'cipher', algorithm: 13, key: Buffer.alloc(64).toString('base64') },
          { ...session, id: 3, service: 'hash', algorithm: 12 },
          { ...session, id: 4, service: 'mac', algorithm: 26, key: aes },
          { ...session, id: 5, service: 'aead', algorithm: 2, key: aes },
          { ...session, id: 6, service: 'aead', algorithm: 1, key: aes },
          { ...session, id: 7, service: 'aead', algorithm: 3, key: Buffer.alloc(32).toString('base64') },
        ],
      },
    });
  }
}

/** An AI device whose driver finds an open model of some client. */
class ModelsOpen extends VirtioAi {
  protected override onActivate(): void {
    for (let client = 0; client < 8; client++) void this.open(client);
  }

  private async open(client: number): Promise<void> {
    const one = this.client(client);
    const upload = { length: 0, operation: 3, status: 0, id: 0, handle: 0, room: 4096 };
    const { handle } = (await one?.answer(upload, [Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 1)])) ?? { handle: 0 };
    await one?.answer({ ...upload, operation: 4, handle }, []);
  }
}

/** Little-endian words. */
function wordsOf(...words: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(words).buffer);
}

/** A sound device all of whose streams run whenever a driver has come up: 48,000 frames of two samples of 16 bits a second. */
class PlayingSound extends VirtioSound {
  protected override onActivate(): void {
    const stream = { state: 'running', parameters: { format: 5, rate: 7, channels: 2 } };
    this.state.restore({ version: 1, state: { streams: [stream, stream, stream], plugged: [true, false] } });
    this.plug('loudspeakers', false);
  }
}

/** Counts on, so that no two requests of a test make the same resource. */
let resources = 0;

/** What shares in tests share. */
const sharedPath = mkdtempSync(join(tmpdir(), 'hartbox-share-'));
const sharedFolder = await SharedFolder.open({ path: sharedPath });
afterAll(async () => {
  await sharedFolder.close();
  rmSync(sharedPath, { recursive: true, force: true });
});

/** How tests make the devices of each row of the registry. */
export const virtioSubjects: Readonly<Record<VirtioKind, VirtioSubjects>> = {
  console: {
    lifecycle: [
      {
        what: 'output',
        create: () => new VirtioConsole({ console: { columns: 80, rows: 24 } }),
        queue: 1,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [new Uint8Array(100)] });
        },
      },
      {
        what: 'input',
        create: () => {
          const device = new VirtioConsole({ console: { columns: 80, rows: 24 }, ports: [] });
          device.console.write(new Uint8Array(1000).fill(7));
          return device;
        },
        queue: 0,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ writable: [10] });
        },
      },
    ],
    hostile: { alone: () => new VirtioConsole({ console: { columns: 80, rows: 24 } }) },
  },
  ports: {
    lifecycle: [
      {
        what: 'control',
        create: () => new VirtioConsole({ ports: ['one', 'two'] }),
        queue: 3,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [Uint8Array.of(1, 0, 0, 0, 3, 0, 1, 0)] });
        },
      },
    ],
    hostile: {
      'with an echo': () => {
        const device = new VirtioConsole({ console: { columns: 80, rows: 24 }, ports: ['one', 'two'] });
        // So that both directions work.
        for (const port of [device.console, device.port('one')])
          port.onData((data) => void (port.isOpen && data.length < 4096 && port.write(data)));
        device.console.write(new Uint8Array(5000));
        device.port('two').write(new Uint8Array(500));
        device.port('two').end();
        return device;
      },
    },
  },
  rng: {
    lifecycle: [
      {
        create: () => new VirtioRng(),
        queue: 0,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ writable: [64] });
        },
      },
    ],
    hostile: { plain: () => new VirtioRng() },
  },
  block: {
    lifecycle: [
      {
        create: () => new VirtioBlock({ disk: new SlowDisk(1 << 20) }),
        queue: 0,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) {
            const header = new Uint8Array(16);
            header[8] = i;
            queue.add({ readable: [header], writable: [4096, 1] });
          }
        },
      },
    ],
    hostile: {
      plain: () => new VirtioBlock({ disk: new RamDisk(64 << 10) }),
      readonly: () => new VirtioBlock({ disk: Object.assign(new RamDisk(64 << 10), { readonly: true }) }),
    },
  },
  scsi: {
    lifecycle: [
      {
        what: 'commands',
        create: () => {
          const device = new VirtioScsi();
          device.attach({ medium: new SlowDisk(1 << 20) });
          return device;
        },
        queue: 2,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) {
            // READ(10) of eight blocks.
            const command = new Uint8Array(19 + 32);
            command.set([1, 0, 0x40, 0]);
            command.set([0x28, 0, 0, 0, 0, i, 0, 0, 8, 0], 19);
            queue.add({ readable: [command], writable: [12 + 96, 4096] });
          }
        },
      },
      {
        what: 'task management',
        create: () => new VirtioScsi(),
        queue: 0,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [new Uint8Array(24)], writable: [1] });
        },
      },
    ],
    hostile: {
      'with a disk and a disc': () => {
        const device = new VirtioScsi();
        device.attach({ medium: new RamDisk(64 << 10) });
        device.attach({ kind: 'cdrom', medium: new RamDisk(64 << 10) });
        return device;
      },
    },
  },
  net: {
    lifecycle: [
      {
        what: 'frames of the guest',
        create: () => new VirtioNet({ mac: MAC }),
        queue: 1,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [new Uint8Array(12), numberedFrame(i)] });
        },
      },
      {
        what: 'frames for the guest',
        create: () => new VirtioNet({ mac: MAC, backend: new TalkativeBackend(1000) }),
        queue: 0,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ writable: [256] });
        },
      },
      {
        what: 'commands',
        create: () => new VirtioNet({ mac: MAC, queues: 2 }),
        queue: 4,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [Uint8Array.of(0, i & 1, 1)], writable: [1] });
        },
      },
    ],
    hostile: {
      'with an echo': () => new VirtioNet({ mac: MAC, queues: 3, backend: new EchoBackend() }),
      'with much to say': () => new VirtioNet({ mac: MAC, backend: new TalkativeBackend(100) }),
    },
  },
  gpu: {
    lifecycle: [
      {
        what: 'resources',
        create: () => new VirtioGpu({ scanouts: [new Scanout({ width: 640, height: 480 })] }),
        queue: 0,
        request: (queue, count) => {
          // RESOURCE_CREATE_2D, each request of another resource.
          for (let i = 0; i < count; i++) queue.add({ readable: [gpuRequest(0x101, ++resources, 1, 8, 8)], writable: [24] });
        },
      },
      {
        what: 'pointers',
        create: () => new VirtioGpu({ scanouts: [new Scanout({ width: 640, height: 480 })] }),
        queue: 1,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [gpuRequest(0x301, 0, i, i, 0, 0, 0, 0, 0)] });
        },
      },
    ],
    hostile: {
      plain: () => new VirtioGpu({ scanouts: [new Scanout({ width: 640, height: 480 })], memoryBytes: 1 << 20 }),
      'with four scanouts': () =>
        new VirtioGpu({ scanouts: [1, 2, 3, 4].map(() => new Scanout({ width: 640, height: 480 })), memoryBytes: 1 << 20 }),
    },
  },
  nineP: {
    lifecycle: [
      {
        create: () => new Virtio9p({ tag: 'test', folder: sharedFolder }),
        queue: 0,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [NinePMessage.attach(i, i)], writable: [64] });
        },
      },
    ],
    hostile: { plain: () => new Virtio9p({ tag: 'test', folder: sharedFolder }) },
  },
  fs: {
    lifecycle: [
      {
        what: 'requests',
        create: () => new VirtioFs({ tag: 'test', folder: sharedFolder }),
        queue: 1,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [i === 0 ? fuseInit() : fuseRequest(3, 1, i)], writable: [128] });
        },
      },
      {
        what: 'things to forget',
        create: () => new VirtioFs({ tag: 'test', folder: sharedFolder }),
        queue: 0,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [fuseRequest(2, 2 + i, i, u64(1))] });
        },
      },
    ],
    hostile: {
      plain: () => new VirtioFs({ tag: 'test', folder: sharedFolder }),
      'with all that it may keep': () => new VirtioFs({ tag: 'test', folder: sharedFolder, writeback: true }),
    },
  },
  input: {
    lifecycle: [
      {
        what: 'events',
        create: () => new BusyTouchscreen(),
        queue: 0,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ writable: [8] });
        },
      },
      {
        what: 'states of lamps',
        create: () => new HumanInput('keyboard'),
        queue: 1,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [Uint8Array.of(0x11, 0, i % 5, 0, 1, 0, 0, 0)] });
        },
      },
    ],
    hostile: { 'a touch screen': () => new BusyTouchscreen(), 'a keyboard': () => new HumanInput('keyboard') },
  },
  crypto: {
    lifecycle: [
      {
        what: 'requests',
        create: () => new VirtioCrypto({ clock: timeless }),
        queue: 0,
        request: (queue, count) => {
          // Of sessions that there are not: answered all the same.
          for (let i = 0; i < count; i++) queue.add({ readable: [new Uint8Array(72), new Uint8Array(100)], writable: [64, 1] });
        },
      },
      {
        what: 'sessions',
        create: () => new VirtioCrypto({ clock: timeless }),
        queue: 1,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [cipherSession(), new Uint8Array(16).fill(i)], writable: [16] });
        },
      },
    ],
    hostile: { plain: () => new VirtioCrypto(), 'with a session of each kind': () => new SessionsOpen() },
  },
  sound: {
    lifecycle: [
      {
        what: 'questions',
        create: () => new VirtioSound(),
        queue: 0,
        request: (queue, count) => {
          // VIRTIO_SND_R_PCM_INFO of all three streams.
          for (let i = 0; i < count; i++) queue.add({ readable: [wordsOf(0x100, 0, 3, 32)], writable: [100] });
        },
      },
      {
        what: 'buffers of a stream that plays',
        create: () => new PlayingSound(),
        queue: 2,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [wordsOf(0), new Uint8Array(480)], writable: [8] });
        },
      },
      {
        what: 'buffers of a stream that records',
        create: () => new PlayingSound(),
        queue: 3,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [wordsOf(2)], writable: [480, 8] });
        },
      },
    ],
    hostile: { plain: () => new VirtioSound(), 'with streams that run': () => new PlayingSound() },
  },
  ai: {
    lifecycle: [
      {
        what: 'greetings',
        create: () => new VirtioAi({ server: fakeInferenceServer() }),
        queue: 0,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [aiRequest(i, { operation: 1, id: i })], writable: [256] });
        },
      },
      {
        what: 'models that there are not',
        create: () => new VirtioAi({ server: fakeInferenceServer() }),
        queue: 0,
        request: (queue, count) => {
          for (let i = 0; i < count; i++)
            queue.add({ readable: [aiRequest(i, { operation: 5, handle: 7 }, runBody([]))], writable: [24, 100] });
        },
      },
    ],
    hostile: {
      plain: () => new VirtioAi({ server: fakeInferenceServer() }),
      'with models': () => new ModelsOpen({ server: fakeInferenceServer() }),
    },
  },
  watchdog: {
    lifecycle: [
      {
        create: () => new VirtioWatchdog({ bite: () => undefined }),
        queue: 0,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ writable: [1] });
        },
      },
    ],
    hostile: { plain: () => new VirtioWatchdog({ bite: () => undefined }) },
  },
  powerButton: {
    lifecycle: [
      {
        what: 'events',
        create: () => new PressedButton(),
        queue: 0,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ writable: [8] });
        },
      },
      {
        what: 'states of lamps',
        create: () => new PowerButton(),
        queue: 1,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [Uint8Array.of(0x11, 0, i, 0, 1, 0, 0, 0)] });
        },
      },
    ],
    hostile: { plain: () => new PressedButton() },
  },
  balloon: {
    lifecycle: [
      {
        what: 'pages given up',
        create: () => new VirtioBalloon({ memoryBytes: 1 << 20, pages: noPages }),
        queue: 0,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ readable: [new Uint8Array(Uint32Array.of(0x80000 + i).buffer)] });
        },
      },
      {
        what: 'reports of free pages',
        create: () => new VirtioBalloon({ memoryBytes: 1 << 20, pages: noPages }),
        queue: 4,
        request: (queue, count) => {
          for (let i = 0; i < count; i++) queue.add({ writable: [4096] });
        },
      },
    ],
    hostile: {
      'asked for everything all the time': () => {
        const device = new WantingBalloon({ memoryBytes: 1 << 20, pages: noPages });
        device.inflateTo(1 << 19);
        return device;
      },
    },
  },
};
