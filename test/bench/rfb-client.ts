import { connect, type Socket } from 'node:net';

/** The pixel at which it is seen what frame an update shows. */
export interface Spot {
  x: number;
  y: number;
}

/** RFC 6143. */
const [UPDATE, COLOURS, BELL, CUT_TEXT] = [0, 1, 2, 3];
const RAW = 0;
const DESKTOP_SIZE = -223;
const RECTANGLE_BYTES = 12;

/** A client of VNC that draws nothing: it asks for pictures one after another, as fast as they come, raw, and looks at one pixel of each. */
export class RfbClient {
  #buffered: Buffer[] = [];
  #length = 0;
  #wanted = 0;
  #wake: () => void = () => undefined;
  #isOver = false;
  width = 0;
  height = 0;
  /** Updates with pixels so far, and those in which the spot was another than before. */
  updates = 0;
  changes = 0;
  bytes = 0;
  spot: Spot = { x: 0, y: 0 };
  value = -1;
  /** Called whenever the spot changes. */
  onChange: (value: number) => void = () => undefined;
  #asks = false;

  private constructor(private readonly socket: Socket) {
    const end = (): void => {
      this.#isOver = true;
      this.#wake();
    };
    socket
      .on('data', (chunk: Buffer) => {
        this.#buffered.push(chunk);
        this.#length += chunk.length;
        if (this.#length >= this.#wanted) this.#wake();
      })
      .on('error', end)
      .on('close', end);
  }

  /** To a server on a socket of the file system that wants no password. Throws where there is none. */
  static async connect(path: string): Promise<RfbClient> {
    const socket = connect(path);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const client = new RfbClient(socket);
    await client.#greet();
    void client.#listen();
    return client;
  }

  /** Ask for pictures from now on. */
  ask(): void {
    if (this.#asks) return;
    this.#asks = true;
    this.#request();
  }

  /** Ask for none any more; the one that was asked for still comes. */
  rest(): void {
    this.#asks = false;
  }

  key(symbol: number, isDown: boolean): void {
    const message = Buffer.alloc(8);
    message[0] = 4;
    message[1] = isDown ? 1 : 0;
    message.writeUInt32BE(symbol, 4);
    this.socket.write(message);
  }

  close(): void {
    this.socket.destroy();
  }

  async #greet(): Promise<void> {
    await this.#read(12);
    this.socket.write('RFB 003.008\n');
    const [count] = await this.#read(1);
    await this.#read(count);
    this.socket.write(Uint8Array.of(1));
    await this.#read(4);
    this.socket.write(Uint8Array.of(1));
    const head = await this.#read(24);
    this.width = head.readUInt16BE(0);
    this.height = head.readUInt16BE(2);
    await this.#read(head.readUInt32BE(20));
    // Words of blue, green, red from the lowest byte on.
    this.socket.write(Uint8Array.of(0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0));
    const encodings = Buffer.from([2, 0, 0, 2, 0, 0, 0, RAW, 0, 0, 0, 0]);
    encodings.writeInt32BE(DESKTOP_SIZE, 8);
    this.socket.write(encodings);
  }

  #request(isWhole = false): void {
    const message = Buffer.alloc(10);
    message[0] = 3;
    message[1] = isWhole ? 0 : 1;
    message.writeUInt16BE(this.width, 6);
    message.writeUInt16BE(this.height, 8);
    this.socket.write(message);
  }

  async #listen(): Promise<void> {
    try {
      for (;;) await this.#message();
    } catch {
      // The guest was switched off.
      this.socket.destroy();
    }
  }

  async #message(): Promise<void> {
    const [type] = await this.#read(1);
    if (type === COLOURS) await this.#read(6 * (await this.#read(5)).readUInt16BE(3));
    else if (type === CUT_TEXT) await this.#read((await this.#read(7)).readUInt32BE(3));
    else if (type !== UPDATE && type !== BELL) throw new Error(`The VNC server sent a message of type ${type}.`);
    if (type !== UPDATE) return;
    const count = (await this.#read(3)).readUInt16BE(1);
    let value = this.value;
    let hasPixels = false;
    for (let i = 0; i < count; i++) {
      const head = await this.#read(RECTANGLE_BYTES);
      const [x, y, width, height] = [0, 2, 4, 6].map((at) => head.readUInt16BE(at));
      if (head.readInt32BE(8) === DESKTOP_SIZE) {
        [this.width, this.height] = [width, height];
        continue;
      }
      hasPixels = true;
      const pixels = await this.#read(4 * width * height);
      const [left, top] = [this.spot.x - x, this.spot.y - y];
      if (left >= 0 && top >= 0 && left < width && top < height) value = pixels.readUInt32LE(4 * (top * width + left)) & 0xffffff;
    }
    // As a viewer does: the next is asked for as soon as the last has come.
    if (this.#asks) this.#request();
    if (!hasPixels) return;
    this.updates++;
    if (value === this.value) return;
    this.value = value;
    this.changes++;
    this.onChange(value);
  }

  async #read(length: number): Promise<Buffer> {
    this.#wanted = length;
    while (this.#length < length) {
      if (this.#isOver) throw new Error('The VNC server has gone.');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const all = this.#buffered.length === 1 ? this.#buffered[0] : Buffer.concat(this.#buffered);
    this.#length -= length;
    this.#buffered = this.#length > 0 ? [all.subarray(length)] : [];
    this.bytes += length;
    return all.subarray(0, length);
  }
}
