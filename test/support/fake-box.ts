import { EventEmitter } from 'node:events';
import { VmError } from '../../engine/errors/vm-error';
import { Scanout } from '../../engine/gpu/scanout';
import { LiveAudio } from '../../engine/backend/audio/live-audio';
import { AudioHub } from '../../engine/runner/audio-hub';
import type { ChannelKind, Connection } from '../../engine/runner/channel';
import { ConsoleHub } from '../../engine/runner/console-hub';
import type { EventData, Status } from '../../engine/runner/control';
import type { Controlled, Operations } from '../../engine/runner/control-server';
import { ScreenHub } from '../../engine/runner/screen-hub';

/** A box without a machine, for tests of those who control one: it notes what it is asked to do, and its console is an echo. */
export class FakeBox
  extends EventEmitter<{ status: [Status]; warning: [Error]; full: [Error]; exit: [EventData<'exit'>] }>
  implements Controlled
{
  readonly asked: unknown[] = [];
  readonly typed: string[] = [];
  readonly statistics = { seconds: 1, harts: [] };
  status: Status = {
    box: 'one',
    state: 'running',
    pid: process.pid,
    program: 'a test',
    since: 1,
    pending: [],
    network: { addresses: [], forwards: [] },
    columns: 80,
    rows: 24,
  };
  readonly operations: Operations = {
    status: () => this.status,
    pause: () => this.note('pause'),
    resume: () => this.note('resume'),
    reset: () => {
      throw new VmError('State', 'It cannot be reset now.', { code: 'no-reset', params: { why: 'test' } });
    },
    'power-off': () => new Promise((resolve) => this.once('exit', () => resolve({}))),
    'force-off': () => this.note('force-off'),
    'reload-settings': () => ({ live: ['priority'], restart: [] }),
    'drive-resize': (args) => this.note(args),
    'drive-medium': (args) => this.note(args),
    networks: () => ({ adapters: [] }),
    'network-flows': () => ({ flows: [] }),
    'network-forwards': () => ({ forwards: [] }),
    'network-forward': (args) => {
      this.note(args);
      return args;
    },
    'network-unforward': (args) => this.note(args),
    'network-link': (args) => this.note(args),
    'network-line': (args) => this.note(args),
    'capture-start': (args) => this.note(args),
    'capture-end': (args) => {
      this.note(args);
      return { frames: 1, dropped: 0 };
    },
    input: () => ({ isHeard: true, lamps: [] }),
    memory: ({ target = 2 ** 30 }) => ({ total: 2 ** 30, target, usable: target, released: 0, isDriven: true }),
    screens: () => ({ screens: [{ width: 640, height: 480 }] }),
    'clipboard-get': () => ({ text: 'copied' }),
    'clipboard-set': (args) => this.note(args),
    'insert-text': (args) => this.note(args),
    'send-files': (args) => this.note(args),
    'cancel-files': (args) => this.note(args),
    screenshot: (args) => {
      this.note(args);
      return { width: 640, height: 480 };
    },
    dump: (args) => this.note(args),
    board: () => ({ memoryMap: [], deviceTree: '' }),
    drives: () => ({ drives: [] }),
    profile: ({ seconds }) => ({ seconds, idle: 1, spots: [] }),
    statistics: () => this.statistics,
    debug: ({ address }) => ({ address: address ?? '127.0.0.1:1234', symbols: [] }),
    vnc: () => ({ address: '127.0.0.1:5900' }),
    'console-history': () => ({ text: 'hello' }),
    log: () => ({ lines: [{ at: 1, level: 'info', text: 'x'.repeat(100_000) }] }),
  };
  /** Output of its console. */
  output: (data: Uint8Array) => void | Promise<void> = () => undefined;
  private readonly hub = new ConsoleHub((columns, rows) => this.change({ columns, rows }));

  readonly scanout = new Scanout({ width: 320, height: 200 });
  private readonly screens = new ScreenHub();
  private readonly audio = new AudioHub();

  constructor() {
    super();
    this.setMaxListeners(0);
    this.screens.attach({ scanouts: [this.scanout], input: (device, events) => this.asked.push({ device, events }) > 0 });
    this.audio.attach(new LiveAudio());
    this.hub.attach({
      write: (data) => {
        this.typed.push(Buffer.from(data).toString());
        void this.output(data);
        return true;
      },
      onData: (listener) => {
        this.output = listener;
        return () => undefined;
      },
      onDrain: () => () => undefined,
      resize: () => undefined,
    });
  }

  connect(kind: ChannelKind, connection: Connection): void {
    const { hub: console, screens: screen, audio } = this;
    ({ console, hvc1: console, hvc2: console, hvc3: console, screen, audio })[kind].connect(connection);
  }

  change(change: Partial<Status>): void {
    this.status = { ...this.status, ...change };
    this.emit('status', this.status);
  }

  private note(what: unknown): Record<string, never> {
    this.asked.push(what);
    return {};
  }
}
