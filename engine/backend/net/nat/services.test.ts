import { describe, expect, it } from 'vitest';
import { DNS, GATEWAY, GUEST, ipFrame, NatBench, udpFrame } from '../../../../test/support/nat-bench';
import { readU16, writeU16 } from '../checksum';
import { formatAddress, parseAddress } from './addresses';
import type { NatOptions } from './nat';

const SERVER = parseAddress('93.184.216.34')!;
const ROUTER = '203.0.113.1';
const A = 1;
const TXT = 16;
const AAAA = 28;

function query(name: string, type: number, id = 0x1234): Uint8Array {
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  return Uint8Array.of(id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1);
}

interface Answer {
  id: number;
  code: number;
  truncated: boolean;
  addresses: string[];
  length: number;
}

function read(message: Uint8Array): Answer {
  let at = 12;
  while (message[at] !== 0) at += message[at] + 1;
  at += 5;
  const addresses: string[] = [];
  for (let record = 0; record < readU16(message, 6); record++) {
    const length = readU16(message, at + 10);
    addresses.push(formatAddress(message.slice(at + 12, at + 12 + length)));
    at += 12 + length;
  }
  return { id: readU16(message, 0), code: message[3] & 15, truncated: (message[2] & 2) !== 0, addresses, length: message.length };
}

class Resolver {
  readonly bench: NatBench;

  constructor(options: NatOptions = {}, prepare?: (bench: NatBench) => void) {
    this.bench = new NatBench(options, prepare);
  }
  /** Sends a query; `servers` answer what is forwarded to them: undefined is silence. */
  async ask(name: string, type: number, servers: Record<string, ((query: Uint8Array) => Uint8Array) | undefined> = {}): Promise<Answer> {
    const { bench } = this;
    await bench.idle();
    bench.frames();
    bench.send(udpFrame(GUEST, 5000, DNS, 53, query(name, type)));
    for (let turn = 0; turn < 4; turn++) {
      await bench.idle();
      for (const socket of bench.host.datagramSockets) {
        for (const { bytes, address, port } of socket.sent.splice(0)) {
          const answer = servers[address];
          if (answer) socket.events.message(answer(bytes), address, port);
          else bench.clock.advance(2100);
        }
      }
    }
    const [frame] = bench.frames();
    return read(frame.data.subarray(8));
  }
}

/** An answer of a name server without records. */
const says =
  (code: number) =>
  (asked: Uint8Array): Uint8Array => {
    const message = Uint8Array.from(asked);
    message[2] |= 0x80;
    message[3] = 0x80 | code;
    return message;
  };

describe('The name server', () => {
  it('answers as the resolver of the host does, IPv6 only where there is a way for it', async () => {
    const both = [
      { address: '192.0.2.1', family: 4 as const },
      { address: '2001:db8::1', family: 6 as const },
    ];
    const resolver = new Resolver({}, ({ host }) => host.names.set('both.test', both));
    expect(await resolver.ask('both.test', A)).toMatchObject({ id: 0x1234, code: 0, addresses: ['192.0.2.1'] });
    expect(await resolver.ask('both.test', AAAA)).toMatchObject({ code: 0, addresses: ['2001:db8::1'] });
    const without = new Resolver({}, ({ host }) => {
      host.names.set('both.test', both);
      host.ipv6 = false;
    });
    expect(await without.ask('both.test', AAAA)).toMatchObject({ code: 0, addresses: [] });
    expect(await without.ask('both.test', A)).toMatchObject({ addresses: ['192.0.2.1'] });
  });

  it('says that a name without addresses exists where the name servers of the host say so', async () => {
    const resolver = new Resolver();
    expect(await resolver.ask('mail.test', A, { '9.9.9.9': says(0) })).toMatchObject({ code: 0, addresses: [] });
    expect(await resolver.ask('none.test', A, { '9.9.9.9': says(3) })).toMatchObject({ code: 3 });
    expect(await resolver.ask('silent.test', A)).toMatchObject({ code: 3 });
  });

  it('asks those name servers that the host has now, and the next where one cannot tell', async () => {
    const resolver = new Resolver();
    expect(await resolver.ask('one.test', TXT, { '9.9.9.9': says(0) })).toMatchObject({ code: 0 });
    resolver.bench.host.servers = ['10.8.0.1', 'fe80::1%eth0'];
    expect(await resolver.ask('one.test', TXT, { '10.8.0.1': says(2), 'fe80::1%eth0': says(0) })).toMatchObject({ code: 0 });
    expect(await resolver.ask('one.test', TXT, { '10.8.0.1': says(5) })).toMatchObject({ code: 5 });
    expect(await resolver.ask('one.test', TXT)).toMatchObject({ code: 2 });
  });

  it('finds short names with its own domain behind them, as guests ask, but not the localhost of the host', async () => {
    const resolver = new Resolver({}, ({ host }) => {
      host.names.set('printer', [{ address: '192.0.2.7', family: 4 }]);
      host.names.set('localhost', [{ address: '127.0.0.1', family: 4 }]);
    });
    expect(await resolver.ask('printer.hartbox', A)).toMatchObject({ code: 0, addresses: ['192.0.2.7'] });
    expect(await resolver.ask('host.hartbox', A)).toMatchObject({ code: 0, addresses: ['10.0.2.2'] });
    expect(await resolver.ask('localhost.hartbox', A)).toMatchObject({ code: 3 });
    expect(await resolver.ask('other.hartbox', A)).toMatchObject({ code: 3 });
    const denied = new Resolver({ deny: ['printer'] }, ({ host }) => host.names.set('printer', [{ address: '192.0.2.7', family: 4 }]));
    expect(await denied.ask('printer.hartbox', A)).toMatchObject({ code: 3 });
  });

  it('cuts an answer that is too long for a datagram', async () => {
    const resolver = new Resolver({}, ({ host }) =>
      host.names.set(
        'many.test',
        Array.from({ length: 100 }, (_, number) => ({ address: `192.0.2.${number}`, family: 4 })),
      ),
    );
    const answer = await resolver.ask('many.test', A);
    expect(answer.truncated).toBe(true);
    expect(answer.length).toBeLessThanOrEqual(512);
    const long = await resolver.ask('long.test', TXT, {
      '9.9.9.9': (asked) => Uint8Array.of(...says(0)(asked), ...new Uint8Array(600)),
    });
    expect(long).toMatchObject({ code: 0, truncated: true, addresses: [] });
  });
});

/** Type and code of an ICMP message, who sends it, and the datagram that it is about. */
function icmpOf(bench: NatBench): { type: number; code: number; from: string; quoted: Uint8Array } {
  const [frame] = bench.frames();
  expect(frame.protocol).toBe(1);
  return { type: frame.data[0], code: frame.data[1], from: formatAddress(frame.source), quoted: frame.data.subarray(8) };
}

describe('What the network tells', () => {
  it('comes to the guest: of a datagram that nobody took, and of one that a router stopped, with who said it', () => {
    const bench = new NatBench();
    bench.send(udpFrame(GUEST, 5000, SERVER, 33434, Uint8Array.of(1, 2, 3), 3));
    const [socket] = bench.host.datagramSockets;
    expect(socket.sent).toMatchObject([{ address: '93.184.216.34', port: 33434, hopLimit: 2 }]);
    socket.events.failed('ETTL', '93.184.216.34', 33434, ROUTER);
    const stopped = icmpOf(bench);
    expect(stopped).toMatchObject({ type: 11, code: 0, from: ROUTER });
    expect([readU16(stopped.quoted, 20), readU16(stopped.quoted, 22)]).toEqual([5000, 33434]);
    socket.events.failed('ECONNREFUSED', '93.184.216.34', 33434, '93.184.216.34');
    expect(icmpOf(bench)).toMatchObject({ type: 3, code: 3, from: '93.184.216.34' });
    // Of the host itself the guest hears by the address that it knows.
    socket.events.failed('ECONNREFUSED', '127.0.0.1', 9, '127.0.0.1');
    expect(icmpOf(bench)).toMatchObject({ type: 3, code: 3, from: '10.0.2.2' });
  });

  it('of an echo too, with its own number', () => {
    const bench = new NatBench();
    const echo = Uint8Array.of(8, 0, 0, 0, 0xab, 0xcd, 0, 7, 1, 2, 3, 4);
    bench.send(ipFrame(GUEST, SERVER, 1, echo, 2, 5));
    expect(bench.host.pings).toMatchObject([{ address: '93.184.216.34', hopLimit: 4 }]);
    const { sequence } = bench.host.pings[0];
    bench.host.pingEvents!.failed('ETTL', sequence, '93.184.216.34', ROUTER);
    const stopped = icmpOf(bench);
    expect(stopped).toMatchObject({ type: 11, code: 0, from: ROUTER });
    expect([...stopped.quoted.subarray(20)]).toEqual([8, 0, 0, 0, 0xab, 0xcd, 0, 7]);
    // Once only.
    bench.host.pingEvents!.reply(Uint8Array.of(1, 2, 3, 4), sequence, '93.184.216.34');
    expect(bench.frames()).toEqual([]);
  });

  it('is said by ourselves of protocols that no socket speaks', () => {
    const bench = new NatBench();
    bench.send(ipFrame(GUEST, GATEWAY, 47, new Uint8Array(16), -1));
    expect(icmpOf(bench)).toMatchObject({ type: 3, code: 2, from: '10.0.2.2' });
    bench.send(ipFrame(GUEST, SERVER, 132, new Uint8Array(16), -1));
    expect(icmpOf(bench)).toMatchObject({ type: 3, code: 13, from: '10.0.2.2' });
    // Groups are not told.
    bench.send(ipFrame(GUEST, parseAddress('224.0.0.22')!, 2, new Uint8Array(16), -1));
    expect(bench.frames()).toEqual([]);
  });

  it('is nothing of what is for many, or comes from nobody', () => {
    const bench = new NatBench();
    const echo = Uint8Array.of(8, 0, 0, 0, 0, 1, 0, 1);
    const all = parseAddress('10.0.2.255')!;
    bench.send(ipFrame(GUEST, all, 1, echo, 2), udpFrame(GUEST, 5000, all, 9, echo));
    for (const source of ['127.0.0.1', '10.0.2.255', '255.255.255.255', '224.0.0.5', '10.0.2.2', '0.0.0.0'])
      bench.send(ipFrame(parseAddress(source)!, GATEWAY, 1, echo, 2));
    expect(bench.frames()).toEqual([]);
    bench.send(ipFrame(GUEST, GATEWAY, 1, echo, 2));
    expect(bench.frames()).toHaveLength(1);
  });

  it('is nothing where the checksum of the datagram is wrong', () => {
    const bench = new NatBench();
    const frame = udpFrame(GUEST, 5000, SERVER, 33434, Uint8Array.of(1, 2, 3), 1);
    writeU16(frame, 40, readU16(frame, 40) ^ 1);
    bench.send(frame);
    expect(bench.frames()).toEqual([]);
  });
});
