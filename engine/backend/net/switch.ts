import { createHash } from 'node:crypto';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { reasonCode } from '../../errors/system-error';
import { VmError } from '../../errors/vm-error';
import { type FileLock, tryLock } from '../../host/file-lock';
import { hostFiles } from '../../host/patient-files';
import { privateSocketPath } from '../../host/private-socket';
import { FrameStream } from './frame-stream';
import { type BackendStatistics, type Frame, type GuestPort, type NetworkBackend, plainFrame } from './packet-port';
import { plainFrames } from './plain-frames';
import { SwitchHub } from './switch-hub';

const LENGTH_BYTES = 4;
/** Between attempts to find the switch, or to become it, in milliseconds; some more at random, for those who look at the same time. */
const LOOK_MS = 20;
/** Attempts when a box starts, before it is said that something is wrong. */
const LOOKS = 100;

export interface SwitchOptions {
  name: string;
  dataDirectory: string;
  /** What we are to people, in the lock's file. */
  program?: string;
}

/**
 * A named switch that joins the boxes of a user. There is no program of its own for it: the first box is the switch, at a socket that only
 * this user can reach, and the others are connected to it by QEMU's stream protocol. When that box ends, one of the others takes its place;
 * what is under way then is lost, and the guests see no more of it.
 */
export class SwitchBackend implements NetworkBackend {
  readonly name: string;
  readonly isUp = true;
  readonly #statistics = { droppedFromGuest: 0, droppedToGuest: 0 };
  readonly #hub = new SwitchHub(() => this.#guest);
  #guest: GuestPort | undefined;
  #server: Server | undefined;
  #lock: FileLock | undefined;
  #stream: FrameStream | undefined;
  #timer: NodeJS.Timeout | undefined;
  #joining: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  private constructor(
    private readonly options: SwitchOptions,
    /** The socket that the switch is at. */
    readonly path: string,
    private readonly lockFile: string,
  ) {
    this.name = `switch ${options.name}`;
  }

  /** Be at the switch of that name. Throws VmError 'Resource' where the host lets nobody listen. */
  static async open(options: SwitchOptions): Promise<SwitchBackend> {
    try {
      const { name, dataDirectory } = options;
      const socket = await privateSocketPath(dataDirectory, `switch-${name}`);
      const hash = createHash('sha256').update(dataDirectory).digest('hex').slice(0, 16);
      const path = process.platform === 'win32' ? `\\\\.\\pipe\\hartbox-switch-${hash}-${name}` : socket;
      const backend = new SwitchBackend(options, path, `${socket.slice(0, -'.sock'.length)}.lock`);
      for (let look = 0; look < LOOKS; look++) {
        if (await backend.#join()) return backend;
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS * (1 + Math.random())));
      }
      throw new Error(`the box that is the switch (see ${backend.lockFile}) does not answer at ${path}`);
    } catch (cause) {
      throw new VmError('Resource', `The switch ${options.name} could not be made: ${(cause as Error).message}.`, {
        cause,
        code: 'switch-unusable',
        params: { name: options.name, reason: reasonCode(cause) },
      });
    }
  }

  /** Whether this box is the switch for the others. */
  get isHub(): boolean {
    return this.#server !== undefined;
  }

  attach(guest: GuestPort): void {
    this.#guest = guest;
  }

  take(frame: Frame): boolean {
    if (this.#server) this.#hub.take(frame);
    else if (this.#stream) {
      if (!this.#stream.hasRoom) return false;
      for (const bytes of plainFrames(frame, LENGTH_BYTES)) this.#stream.send(bytes);
    } else this.#statistics.droppedFromGuest++;
    return true;
  }

  flush(): void {
    this.#hub.flush();
    this.#stream?.flush();
  }

  resume(): void {
    this.#hub.resume();
    this.#stream?.resume();
  }

  linkChanged(): void {}

  statistics(): BackendStatistics {
    const { droppedFromGuest, droppedToGuest } = this.#statistics;
    return { droppedFromGuest: droppedFromGuest + this.#hub.dropped, droppedToGuest: droppedToGuest + this.#hub.droppedToGuest };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#joining;
    this.#stream?.destroy();
    const server = this.#server;
    this.#server = undefined;
    this.#hub.close();
    // Removes the socket's file too, while the lock keeps others from making theirs.
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
    await this.#lock?.release();
  }

  /** Connect to the switch, or become it; false where neither could be done yet. */
  async #join(): Promise<boolean> {
    const socket = await connect(this.path);
    if (this.#isClosed) {
      socket?.destroy();
      return true;
    }
    if (socket) {
      this.#stream = new FrameStream(socket, {
        frame: (views) => this.#guest?.take(plainFrame(views)) ?? true,
        drain: () => this.#guest?.resume(),
        close: () => this.#lost(),
      });
      return true;
    }
    const lock = await tryLock(this.lockFile, { program: this.options.program });
    if (lock.held) return false;
    try {
      // Who had it is gone.
      if (process.platform !== 'win32') await hostFiles.remove(this.path);
      const server = createServer((member) => this.#hub.join(member));
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(this.path, resolve);
      });
      server.on('error', () => undefined);
      this.#server = server;
      this.#lock = lock;
    } catch (error) {
      await lock.release();
      throw error;
    }
    return true;
  }

  /** The box that was the switch has ended. */
  #lost(): void {
    this.#stream = undefined;
    if (this.#isClosed) return;
    this.#guest?.resume();
    this.#again(0);
  }

  #again(after: number): void {
    this.#timer = setTimeout(() => {
      this.#joining = this.#join().then(
        (joined) => {
          if (!joined && !this.#isClosed) this.#again(LOOK_MS * (1 + Math.random()));
        },
        () => {
          if (!this.#isClosed) this.#again(1000);
        },
      );
    }, after);
  }
}

function connect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => resolve(socket));
    socket.on('error', () => resolve(undefined));
  });
}
