import { randomInt } from 'node:crypto';
import { readU16, writeU16 } from '../../checksum';
import { isAt, parseAddress } from '../addresses';
import { type NetworkHost, type SocketEvents, USUAL_HOPS } from '../host';
import type { TimerWheel } from '../timer-wheel';
import { belongsTo, codeOf, NOT_IMPLEMENTED, type Question, REFUSED, SERVER_FAILURE } from './message';

const UDP_PATIENCE_MS = 2000;
const TCP_PATIENCE_MS = 5000;
/** Servers that are asked, one after another. */
const MOST_SERVERS = 3;
const DNS_PORT = 53;
/** What a server says that cannot tell: the next may, and the host's own resolver asks it too. */
const PASSED_ON = new Set([SERVER_FAILURE, NOT_IMPLEMENTED, REFUSED]);

/** A name server as Node writes it: `1.2.3.4`, `1.2.3.4:5353`, `::1`, `[::1]:53`, `fe80::1%eth0`. */
export function parseServer(text: string): { address: string; port: number } | undefined {
  const match = /^\[([^\]]+)\](?::(\d+))?$/.exec(text) ?? /^(\d+\.\d+\.\d+\.\d+)(?::(\d+))?$/.exec(text);
  const address = match?.[1] ?? text;
  const port = match?.[2] === undefined ? DNS_PORT : Number(match[2]);
  return parseAddress(withoutZone(address)) && port > 0 && port < 65536 ? { address, port } : undefined;
}

/** An address of a link alone names it behind a `%`. */
function withoutZone(address: string): string {
  return address.split('%')[0];
}

/** Asks the host's name servers what the host's resolver cannot be asked for. Undefined: none of them answered. */
export class Upstream {
  constructor(
    private readonly host: NetworkHost,
    private readonly wheel: TimerWheel,
  ) {}

  async ask(query: Uint8Array, question: Question, byTcp: boolean): Promise<Uint8Array | undefined> {
    const servers = this.host.nameServers().flatMap((text) => parseServer(text) ?? []);
    let refusal: Uint8Array | undefined;
    for (const { address, port } of servers.slice(0, MOST_SERVERS)) {
      const answer = await (byTcp ? this.byTcp(query, question, address, port) : this.byUdp(query, question, address, port));
      if (!answer) continue;
      // The number by which the guest knows it.
      writeU16(answer, 0, readU16(query, 0));
      if (!PASSED_ON.has(codeOf(answer))) return answer;
      refusal ??= answer;
    }
    return refusal;
  }

  private byUdp(query: Uint8Array, question: Question, address: string, port: number): Promise<Uint8Array | undefined> {
    const { request, id } = numbered(query);
    return new Promise((resolve) => {
      const server = parseAddress(withoutZone(address))!;
      const done = (answer: Uint8Array | undefined): void => {
        timer.dispose();
        socket?.close();
        socket = undefined;
        resolve(answer);
      };
      const timer = this.wheel.timer(() => done(undefined));
      let socket = this.host.datagrams(server.length === 4 ? 4 : 6, {
        message: (bytes, from, fromPort) => {
          const source = parseAddress(withoutZone(from));
          if (!socket || fromPort !== port || source?.length !== server.length || !isAt(source, 0, server)) return;
          if (belongsTo(bytes, query, question, id)) done(Uint8Array.from(bytes));
        },
        failed: () => done(undefined),
      });
      if (!socket) return done(undefined);
      timer.set(UDP_PATIENCE_MS);
      socket.send(request, port, address, USUAL_HOPS);
    });
  }

  private byTcp(query: Uint8Array, question: Question, address: string, port: number): Promise<Uint8Array | undefined> {
    const { request, id } = numbered(query);
    const framed = new Uint8Array(request.length + 2);
    writeU16(framed, 0, request.length);
    framed.set(request, 2);
    return new Promise((resolve) => {
      let received = new Uint8Array(0);
      let isOver = false;
      const done = (answer: Uint8Array | undefined): void => {
        if (isOver) return;
        isOver = true;
        timer.dispose();
        socket.reset();
        resolve(answer);
      };
      const timer = this.wheel.timer(() => done(undefined));
      const events: SocketEvents = {
        connected: () => void socket.write(framed),
        data: (bytes) => {
          const all = new Uint8Array(received.length + bytes.length);
          all.set(received);
          all.set(bytes, received.length);
          received = all;
          if (received.length < 2) return;
          const length = readU16(received, 0);
          if (received.length < length + 2) return;
          const answer = received.slice(2, length + 2);
          done(belongsTo(answer, query, question, id) ? answer : undefined);
        },
        ended: () => done(undefined),
        drained: () => {},
        socketClosed: () => done(undefined),
      };
      const socket = this.host.connect(address, port, events);
      timer.set(TCP_PATIENCE_MS);
    });
  }
}

/** The query under a number of our own, which a forger would have to guess. */
function numbered(query: Uint8Array): { request: Uint8Array; id: number } {
  const request = Uint8Array.from(query);
  const id = randomInt(65536);
  writeU16(request, 0, id);
  return { request, id };
}
