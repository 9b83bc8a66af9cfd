import type { ConsolePort, DataListener } from '../virtio/devices/console-port';
import type { Connection } from './channel';
import { type ConsoleMessage, consoleMessageSchema } from './console-channel';
import { CONSOLE_LIMITS, ConsoleSender } from './console-sender';

/** The console of a box that another process runs, for programs: bytes both ways at the pace of the slower side. */
export class ConsoleStream implements Pick<ConsolePort, 'write' | 'onDrain' | 'resize'> {
  private readonly sender: ConsoleSender;
  private readonly drainListeners = new Set<() => void>();

  constructor(
    private readonly connection: Connection<ConsoleMessage>,
    /** Gets the output; a promise holds back what follows. */
    listener: DataListener,
  ) {
    this.sender = new ConsoleSender((data) => connection.postMessage({ type: 'data', data }), { ...CONSOLE_LIMITS, batchMs: 0 });
    connection.on('message', ({ data }) => {
      const message = consoleMessageSchema.safeParse(data);
      if (!message.success) return;
      if (message.data.type === 'ack') this.sender.acknowledge(message.data.bytes);
      else if (message.data.type === 'data') {
        const { length } = message.data.data;
        void Promise.resolve(listener(message.data.data)).then(() => connection.postMessage({ type: 'ack', bytes: length }));
      }
    });
    connection.on('close', () => this.sender.close());
    connection.start();
  }

  /** False: wait for onDrain(). */
  write(data: Uint8Array): boolean {
    const held = this.sender.send(data);
    void held?.then(() => {
      for (const listener of [...this.drainListeners]) listener();
    });
    return held === undefined;
  }

  onDrain(listener: () => void): () => void {
    this.drainListeners.add(listener);
    return () => this.drainListeners.delete(listener);
  }

  resize(columns: number, rows: number): void {
    this.connection.postMessage({ type: 'resize', columns, rows });
  }

  close(): void {
    this.sender.close();
    this.connection.close();
  }
}
