import { connect, type Socket } from 'node:net';
import { encodePacket, PacketParser } from '../../engine/debug/gdb/packet';

/** GDB's side of the remote protocol, packet by packet, to do what no debugger would. */
export class GdbClient {
  readonly #socket: Socket;
  readonly #parser = new PacketParser(1 << 20);
  readonly #answers: string[] = [];
  readonly #waiters: ((answer: string | undefined) => void)[] = [];
  #isOver = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (data: Buffer) => {
      for (const event of this.#parser.push(data)) if (event.kind === 'packet') this.#take(event.payload);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#isOver = true;
      for (const waiter of this.#waiters.splice(0)) waiter(undefined);
    });
  }

  /** `address` as the server gives it, `host:port`. */
  static async connect(address: string): Promise<GdbClient> {
    const at = address.lastIndexOf(':');
    const socket = connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)), noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const client = new GdbClient(socket);
    await client.ask('QStartNoAckMode');
    return client;
  }

  /** The next packet that comes; undefined where the server has gone. */
  next(): Promise<string | undefined> {
    const answer = this.#answers.shift();
    if (answer !== undefined || this.#isOver) return Promise.resolve(answer);
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  tell(payload: string): void {
    this.#socket.write(encodePacket(payload));
  }

  ask(payload: string): Promise<string | undefined> {
    this.tell(payload);
    return this.next();
  }

  /** The character behind Ctrl-C. */
  interrupt(): void {
    this.#socket.write('\x03');
  }

  /** Gone without a word, perhaps in the middle of one. Resolves when the connection is closed. */
  async kill(lastBytes = ''): Promise<void> {
    if (!this.#isOver) {
      const closed = new Promise((resolve) => this.#socket.once('close', resolve));
      if (lastBytes) this.#socket.write(lastBytes, () => this.#socket.destroy());
      else this.#socket.destroy();
      await closed;
    }
  }

  /** Resolves when the server has closed the connection. */
  async closed(): Promise<void> {
    if (!this.#isOver) await new Promise((resolve) => this.#socket.once('close', resolve));
  }

  #take(answer: string): void {
    const waiter = this.#waiters.shift();
    if (waiter) waiter(answer);
    else this.#answers.push(answer);
  }
}
