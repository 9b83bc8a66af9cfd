import type { Connection } from './channel';
import { HEARTBEAT_MS } from './control';
import { clientMessageSchema } from './control-message';
import { serveControl } from './control-server';
import { type EngineStart, engineStartSchema } from './engine-start';
import { reportError } from './error-report';
import { Library } from './library';
import { Runner } from './runner';
import { type Line, type MessagePortLike, portLine } from './transport';

/** Hosts one box in a process of its own, from start to exit. */
class EngineProcess {
  private readonly heartbeat: NodeJS.Timeout;

  constructor(private readonly line: Line) {
    // Once a box is there, its server does that.
    this.heartbeat = setInterval(() => line.send({ event: 'heartbeat', data: {} }), HEARTBEAT_MS);
    line.listen({ message: (message, port) => this.receive(message, port), close: () => undefined });
  }

  /** The last message, then the end. */
  exit(code: number, error?: unknown): void {
    this.line.send({ event: 'exit', data: { code, error: error === undefined ? undefined : reportError(error) } });
    this.leave();
  }

  private leave(): void {
    // What was sent leaves with the next turn of the event loop.
    setTimeout(() => process.exit(0), 50);
  }

  /** Nothing is there yet: it can be started, or called off. */
  private receive(received: unknown, port: Connection | undefined): void {
    const start = engineStartSchema.safeParse(received);
    if (start.success) {
      clearInterval(this.heartbeat);
      void this.run(start.data.start);
      return;
    }
    const message = clientMessageSchema.safeParse(received);
    if (message.success && 'call' in message.data && message.data.call === 'force-off') this.exit(0);
    // A window that looks already, say: its console begins with the box.
    else this.line.keep(received, port);
  }

  private async run({ vm, dataDirectory, v8 }: EngineStart['start']): Promise<void> {
    const runner = new Runner({ box: { library: new Library(dataDirectory), id: vm }, program: 'the Hartbox app', dataDirectory, v8 });
    const { closed } = serveControl(runner, this.line);
    try {
      await runner.prepare();
      await runner.start();
    } catch {
      // Whoever listens hears of it by the exit.
    }
    await Promise.all([runner.wait(), closed]);
    this.leave();
  }
}

/** The line to the app's main process, as Electron gives it to a utility process. */
const { parentPort } = process as typeof process & { parentPort?: MessagePortLike };
if (parentPort) {
  const host = new EngineProcess(portLine(parentPort, { carriesPorts: true }));
  process.on('uncaughtException', (error) => host.exit(1, error));
  process.on('unhandledRejection', (error) => host.exit(1, error));
} else {
  console.error('This is the part of the Hartbox app that runs a box; the app starts it. To run one by hand use: hartbox run');
  process.exit(2);
}
