import { describe, expect, it } from 'vitest';
import { DNS, GUEST, NatBench, readTcp, tcpFrame, type TestSocket, udpFrame } from '../../../../test/support/nat-bench';
import { parseAddress } from './addresses';

const SERVER = parseAddress('93.184.216.34')!;
const MINUTES = 24 * 60;
/** How connections end, or do not. */
const KINDS = ['in peace', 'reset by the host', 'never answered', 'silent for ever', 'unheard by the guest', 'never acknowledged'] as const;

function query(minute: number): Uint8Array {
  const label = [...Buffer.from(`host${minute}`)];
  return Uint8Array.of(minute >> 8, minute & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, label.length, ...label, 3, 110, 101, 116, 0, 0, 1, 0, 1);
}

/** A day in which little happens, each minute something, by a clock of the test's. */
class Day {
  readonly bench = new NatBench({}, ({ host }) => {
    host.canPing = true;
  });
  private readonly over = new Set<TestSocket>();

  minute(at: number): void {
    const { bench } = this;
    bench.send(udpFrame(GUEST, 20_000 + (at % 5000), SERVER, 123, Uint8Array.of(at & 255)));
    bench.send(udpFrame(GUEST, 30_000 + (at % 5000), DNS, 53, query(at)));
    this.connection(10_000 + (at % 5000), KINDS[at % KINDS.length]);
    for (const socket of bench.host.datagramSockets)
      for (const { bytes, address, port } of socket.sent.splice(0)) if (!socket.closed) socket.events.message(bytes, address, port);
    bench.frames();
    bench.clock.advance(60_000);
    bench.frames();
    this.close();
  }

  private connection(port: number, kind: (typeof KINDS)[number]): void {
    const { bench } = this;
    const send = (flags: string, seq: number, ack = 0, payload?: Uint8Array): void =>
      bench.send(tcpFrame(GUEST, SERVER, { sourcePort: port, targetPort: 80, seq, ack, flags, payload }));
    bench.frames();
    send('S', 0);
    const socket = bench.host.sockets.at(-1);
    if (kind === 'never answered') {
      socket.events.socketClosed('ETIMEDOUT');
      this.over.add(socket);
      return;
    }
    socket.events.connected();
    const answer = bench.frames().find(({ protocol }) => protocol === 6)!;
    if (kind === 'never acknowledged') return;
    const iss = readTcp(answer.data).seq + 1;
    send('P.', 1, iss, Uint8Array.of(1));
    if (kind === 'silent for ever') return;
    socket.events.data(Uint8Array.of(2));
    if (kind === 'unheard by the guest') return;
    send('.', 2, iss + 1);
    if (kind === 'reset by the host') {
      socket.events.socketClosed('ECONNRESET');
      this.over.add(socket);
      return;
    }
    send('F.', 2, iss + 1);
    socket.events.ended();
    send('.', 3, iss + 2);
  }

  /** The host is done with sockets of which the NAT has let go. */
  private close(): void {
    for (const socket of this.bench.host.sockets.splice(0)) {
      if (this.over.delete(socket)) continue;
      if (!socket.wasReset && !socket.ended) this.bench.host.sockets.push(socket);
      else socket.events.socketClosed(undefined);
    }
  }

  /** Sockets of the host that the NAT still has. */
  get held(): number {
    const { sockets, datagramSockets } = this.bench.host;
    return sockets.length + datagramSockets.filter(({ closed }) => !closed).length;
  }
}

describe('A day of light traffic', () => {
  it('leaves no flow, no timer and no socket, and holds few meanwhile', { timeout: 60_000 }, async () => {
    const day = new Day();
    const { bench } = day;
    await bench.idle();
    const timers = bench.clock.waiting;
    let most = 0;
    for (let at = 0; at < MINUTES; at++) {
      day.minute(at);
      if (at % 10 === 0) await bench.idle();
      most = Math.max(most, bench.nat.flows().length, day.held);
    }
    // Those that are silent are asked after two hours whether they are still there: 20 of them, and what a few minutes bring.
    expect(most).toBeGreaterThan(20);
    expect(most).toBeLessThan(40);
    await bench.idle();
    for (let at = 0; at < 3 * 60; at++) {
      bench.clock.advance(60_000);
      bench.frames();
    }
    await bench.idle();
    expect(bench.nat.flows()).toEqual([]);
    expect(bench.host.datagramSockets.filter(({ closed }) => !closed)).toEqual([]);
    expect(bench.host.sockets.filter(({ ended, wasReset }) => !ended && !wasReset)).toEqual([]);
    expect(bench.clock.waiting).toBeLessThanOrEqual(timers + 1);
    expect(bench.warnings).toEqual([]);
    await bench.nat.close();
  });
});
