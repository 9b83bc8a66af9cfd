import { type AddressInfo, createServer, type Server } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { GATEWAY, GUEST, NatBench, readTcp, tcpFrame, type TcpSeen } from '../../../../../test/support/nat-bench';
import { nodeHost } from '../node-host';
import { hostClock } from '../timer-wheel';

/** A hundred thousand take minutes: HARTBOX_LONG=1. */
const ONE_AFTER_ANOTHER = process.env['HARTBOX_LONG'] ? 100_000 : 1000;
const AT_ONCE = 1000;
const FIRST_PORT = 10_000;
const PORTS = 50_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** The guest's end of connections, by their ports: each sends a byte, and closes when that has come back. */
class Guests {
  readonly bench = new NatBench({ host: nodeHost, clock: hostClock, net: '10.0.2.0/24', hostAccess: true });
  echoed = 0;
  private readonly open = new Map<number, { seq: number; over: () => void; failed: (error: Error) => void }>();
  private opened = 0;
  private readonly heard: TcpSeen[] = [];
  private readonly acks = new Map<number, number>();

  constructor(
    private readonly target: number,
    /** Whether each closes by itself once it has its byte. */
    private readonly closes: boolean,
  ) {
    this.bench.onFrame = ({ data, protocol }) => {
      if (protocol !== 6) return;
      if (this.heard.length === 0) setImmediate(() => this.answer());
      this.heard.push(readTcp(data));
    };
  }

  /** Once the NAT is done with what it says. */
  private answer(): void {
    for (const seen of this.heard.splice(0)) this.receive(seen);
  }

  /** Open one more; settles when both sides have closed. */
  async connect(): Promise<void> {
    const port = FIRST_PORT + (this.opened++ % PORTS);
    await new Promise<void>((over, failed) => {
      this.open.set(port, { seq: 1, over, failed });
      this.send(port, 'S', 0, 0);
    });
  }

  closeAll(): void {
    for (const port of this.open.keys()) this.close(port);
  }

  private close(port: number): void {
    const one = this.open.get(port)!;
    this.send(port, 'F.', one.seq++, this.acks.get(port)!);
  }

  private receive({ targetPort: port, flags, seq, payload }: TcpSeen): void {
    const one = this.open.get(port);
    if (!one) return;
    if (flags.includes('R')) {
      this.open.delete(port);
      one.failed(new Error(`The connection from port ${port} was reset.`));
      return;
    }
    // On a busy host the NAT says things again.
    if (flags.includes('S') ? this.acks.has(port) : seq !== this.acks.get(port)) {
      this.send(port, '.', one.seq, this.acks.get(port)!);
      return;
    }
    if (flags.includes('S')) {
      this.acks.set(port, (seq + 1) >>> 0);
      this.send(port, 'P.', one.seq++, this.acks.get(port)!, Uint8Array.of(port & 255));
      return;
    }
    if (payload.length > 0) {
      expect([...payload]).toEqual([port & 255]);
      this.acks.set(port, (seq + 1) >>> 0);
      this.echoed++;
      if (this.closes) this.close(port);
      else this.send(port, '.', one.seq, this.acks.get(port)!);
    }
    if (flags.includes('F')) {
      this.send(port, '.', one.seq, (this.acks.get(port)! + 1) >>> 0);
      this.open.delete(port);
      this.acks.delete(port);
      one.over();
    }
  }

  private send(sourcePort: number, flags: string, seq: number, ack: number, payload?: Uint8Array): void {
    this.bench.send(tcpFrame(GUEST, GATEWAY, { sourcePort, targetPort: this.target, seq, ack, flags, payload }));
  }
}

describe('TCP connections through the NAT to a server of the host', () => {
  let server: Server;
  let port = 0;
  let guests: Guests;
  beforeAll(async () => {
    server = createServer({ allowHalfOpen: true }, (socket) => {
      // Where the test fails they are cut off.
      socket.on('error', () => socket.destroy());
      socket.setNoDelay().pipe(socket);
    });
    await new Promise<void>((resolve) => {
      server.listen({ port: 0, host: '127.0.0.1', backlog: AT_ONCE }, resolve);
    });
    port = (server.address() as AddressInfo).port;
  });
  afterEach(async () => guests.bench.nat.close());
  afterAll(() => void server.close());
  const atServer = async (): Promise<number> => new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
  const sockets = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;

  it('are a thousand at once, and leave nothing', { timeout: 120_000 }, async () => {
    const before = sockets();
    guests = new Guests(port, false);
    const all = Promise.all(Array.from({ length: AT_ONCE }, () => guests.connect()));
    await vi.waitFor(() => expect(guests.echoed).toBe(AT_ONCE), 60_000);
    expect(guests.bench.nat.flows()).toHaveLength(AT_ONCE);
    expect(await atServer()).toBe(AT_ONCE);
    guests.closeAll();
    await all;
    expect(guests.bench.nat.flows()).toEqual([]);
    await vi.waitFor(async () => expect([await atServer(), sockets()]).toEqual([0, before]), 20_000);
  });

  it(`are ${ONE_AFTER_ANOTHER} one after another, and leave nothing`, { timeout: 600_000 }, async () => {
    guests = new Guests(port, true);
    const before = sockets();
    const bytes = async (): Promise<number> => {
      await vi.waitFor(async () => expect([await atServer(), sockets()]).toEqual([0, before]), 20_000);
      collectGarbage();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    let warm = 0;
    for (let count = 0; count < ONE_AFTER_ANOTHER; count++) {
      if (count === ONE_AFTER_ANOTHER / 2) warm = await bytes();
      await guests.connect();
    }
    expect(guests.bench.nat.flows()).toEqual([]);
    // A flow and its socket take some kilobytes.
    expect(((await bytes()) - warm) / (ONE_AFTER_ANOTHER / 2)).toBeLessThan(500);
  });
});
