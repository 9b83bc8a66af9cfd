import { describe, expect, it } from 'vitest';
import {
  DNS,
  GATEWAY,
  GUEST,
  GUEST_MAC,
  NatBench,
  readTcp,
  tcpFrame,
  type TcpFields,
  type TcpSeen,
  udpFrame,
} from '../../../../test/support/nat-bench';
import { parseAddress } from './addresses';
import type { NatOptions } from './nat';

const SERVER = parseAddress('93.184.216.34')!;
const ISS = 1000;
const OTHER_MAC = Uint8Array.of(2, 0x48, 0x42, 9, 9, 9);
const refuse = (why: string): never => {
  throw new Error(why);
};

function send(bench: NatBench, fields: Partial<TcpFields> & { flags: string; sourcePort: number }): TcpSeen[] {
  bench.send(tcpFrame(GUEST, SERVER, { targetPort: 80, seq: ISS + 1, ...fields }));
  return segments(bench);
}

function segments(bench: NatBench): TcpSeen[] {
  return bench.frames().flatMap(({ data, protocol }) => (protocol === 6 ? [readTcp(data)] : []));
}

/** Opens one, on which so many bytes have come for the guest. Returns what the guest expects next. */
function connect(bench: NatBench, sourcePort: number, bytes: number): number {
  send(bench, { flags: 'S', seq: ISS, sourcePort });
  const socket = bench.host.sockets.at(-1);
  socket.events.connected();
  const [{ seq }] = segments(bench);
  const ack = (seq + 1) >>> 0;
  send(bench, { flags: '.', ack, sourcePort });
  socket.events.data(Buffer.alloc(bytes, 7));
  segments(bench);
  return (ack + bytes) >>> 0;
}

/** ARP: the guest asks for the gateway, from that hardware address. */
function arp(mac: Uint8Array): Uint8Array {
  return Uint8Array.of(
    ...new Uint8Array(6).fill(255),
    ...mac,
    8,
    6,
    0,
    1,
    8,
    0,
    6,
    4,
    0,
    1,
    ...mac,
    ...GUEST,
    0,
    0,
    0,
    0,
    0,
    0,
    ...GATEWAY,
  );
}

function dhcp(type: number, wanted: Uint8Array): Uint8Array {
  const message = new Uint8Array(260);
  message.set([1, 1, 6, 0, 1, 2, 3, 4]);
  message.set(OTHER_MAC, 28);
  message.set([0x63, 0x82, 0x53, 0x63, 53, 1, type, 50, 4, ...wanted, 255], 236);
  return udpFrame(new Uint8Array(4), 68, new Uint8Array(4).fill(255), 67, message);
}

/** The NAT of a guest that goes on elsewhere: `from` is over, without a word. */
function goOn(from: NatBench, options?: NatOptions, prepare?: (bench: NatBench) => void): NatBench {
  const saved: unknown = JSON.parse(JSON.stringify(from.nat.save()));
  const bench = new NatBench(options, prepare);
  bench.nat.linkChanged(false);
  bench.nat.load(saved, refuse)();
  expect(bench.nat.save()).toEqual(saved);
  return bench;
}

describe('A NAT with the state of another', () => {
  it('resets the connections of the guest once it listens, those that wait for data too', () => {
    const before = new NatBench();
    const idle = connect(before, 40_000, 0);
    const loading = connect(before, 40_001, 3000);
    // The guest has sent its FIN, and waits for the rest.
    const halfClosed = connect(before, 40_002, 10);
    send(before, { flags: 'F.', ack: halfClosed, sourcePort: 40_002 });
    // One that the host has not answered yet opens anew by itself.
    send(before, { flags: 'S', seq: ISS, sourcePort: 40_003 });

    const bench = goOn(before);
    expect(segments(bench)).toEqual([]);
    bench.nat.linkChanged(true);
    const resets = segments(bench);
    expect(resets.map(({ flags, targetPort, sourcePort, seq }) => [flags, sourcePort, targetPort, seq])).toEqual(
      expect.arrayContaining([
        ['R', 80, 40_000, idle],
        ['R', 80, 40_001, loading],
        ['R', 80, 40_002, halfClosed],
      ]),
    );
    expect(resets).toHaveLength(3);
    expect(bench.nat.save().connections).toEqual([]);
    send(bench, { flags: 'S', seq: ISS, sourcePort: 40_003 });
    expect(bench.host.sockets).toHaveLength(1);
  });

  it('resets them when the guest has room again, if it had none, and what the guest sends meanwhile', () => {
    const before = new NatBench();
    for (const port of [40_000, 40_001, 40_002]) connect(before, port, 1);
    const bench = goOn(before, {}, (one) => {
      one.hasRoom = false;
    });
    bench.nat.linkChanged(true);
    bench.clock.run();
    expect(bench.nat.save().connections).toHaveLength(3);
    bench.hasRoom = true;
    bench.nat.resume();
    expect(segments(bench).map(({ flags, targetPort }) => [flags, targetPort])).toEqual([
      ['R', 40_000],
      ['R', 40_001],
      ['R', 40_002],
    ]);
    // A host that had not heard it hears it when it speaks.
    expect(send(bench, { flags: 'P.', ack: 77, sourcePort: 40_000, payload: Uint8Array.of(1) })).toMatchObject([{ flags: 'R', seq: 77 }]);
  });

  it('resets those that began to send anew where the guest may have more than that', () => {
    const before = new NatBench();
    const next = connect(before, 40_000, 5000);
    // Nothing is acknowledged: what was sent is sent again, from the start.
    before.clock.advance(3000);
    segments(before);
    const bench = goOn(before);
    bench.nat.linkChanged(true);
    expect(segments(bench)).toMatchObject([{ flags: 'R', seq: next }]);
  });

  it('keeps net, leases and neighbours, and leads forwarded ports to the guest', async () => {
    // The host had a part in the first choice when the guest began, and has none now.
    const before = new NatBench({}, ({ host }) => {
      host.localNets = ['10.0.2.9/24', '10.0.3.9/24'];
    });
    await before.idle();
    expect(before.nat.addresses.net).toBe('10.213.74.0/24');
    const guest = parseAddress('10.213.74.15')!;
    const second = parseAddress('10.213.74.16')!;
    before.send(dhcp(3, guest));
    before.frames();
    const forward = { protocol: 'tcp' as const, hostAddress: '127.0.0.1', hostPort: 8080, guestPort: 80 };

    const bench = goOn(before, { forwards: [forward] });
    await bench.idle();
    bench.nat.linkChanged(true);
    expect(bench.nat.addresses.net).toBe('10.213.74.0/24');
    expect(bench.nat.guestAddresses).toEqual(['10.213.74.15']);
    // Somebody else gets another address.
    bench.frames();
    const request = dhcp(1, guest);
    request[14 + 20 + 8 + 28] = 4;
    request[14 + 20 + 6] = request[14 + 20 + 7] = 0;
    bench.send(request);
    const [offer] = bench.frames();
    expect([...offer.data.subarray(8 + 16, 8 + 20)]).toEqual([...second]);

    const { host } = bench;
    const socket = host.connect('127.0.0.1', 8080, { connected() {}, data() {}, ended() {}, drained() {}, socketClosed() {} });
    expect(host.listeners.get(8080)?.(socket, '127.0.0.1', 5555)).toBeDefined();
    expect(bench.frames()).toMatchObject([{ source: parseAddress('10.213.74.2'), target: Uint8Array.from(guest) }]);
  });

  it('finds the guest by the hardware address that it had taken', async () => {
    const before = new NatBench();
    before.send(arp(OTHER_MAC));
    before.frames();
    const bench = goOn(before, { forwards: [{ protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 8080, guestPort: 80 }] });
    bench.nat.linkChanged(true);
    await bench.idle();
    bench.frames();
    const socket = bench.host.connect('127.0.0.1', 8080, { connected() {}, data() {}, ended() {}, drained() {}, socketClosed() {} });
    bench.host.listeners.get(8080)?.(socket, '127.0.0.1', 5555);
    const [{ bytes }] = bench.frames();
    expect([...bytes.subarray(0, 6)]).toEqual([...OTHER_MAC]);
    expect([...bytes.subarray(0, 6)]).not.toEqual([...GUEST_MAC]);
  });

  it('takes back what it said of IPv6 where the host has no way for it now', async () => {
    const before = new NatBench();
    await before.idle();
    expect(before.nat.addresses.ipv6).toBe(true);
    const bench = new NatBench({}, ({ host }) => {
      host.ipv6 = false;
    });
    await bench.idle();
    bench.nat.linkChanged(true);
    bench.frames();
    bench.nat.load(before.nat.save(), refuse)();
    await bench.idle();
    // A router advertisement whose lifetime is 0.
    expect(bench.frames().map(({ protocol, data }) => [protocol, data[0], data[6], data[7]])).toEqual([[58, 134, 0, 0]]);
  });

  it('leaves the guest to ask for another address where the settings say another net', () => {
    const before = new NatBench();
    before.send(dhcp(3, GUEST));
    const bench = new NatBench({ net: '10.9.8.0/24' });
    bench.nat.load(before.nat.save(), refuse)();
    expect([bench.nat.addresses.net, bench.nat.save().leases]).toEqual(['10.9.8.0/24', []]);
  });

  it('is as it was where the state is none, or one of something else', () => {
    const { nat } = new NatBench();
    const saved = nat.save();
    nat.load(null, refuse)();
    nat.load({ kind: 'switch', members: 3 }, refuse)();
    const lies: object[] = [
      { net: '10.0.2.0/30' },
      { net: 'fd00::/64' },
      { net: 'all' },
      { version: 2 },
      { leases: [['02:00:00:00:00:01', 0]] },
      { leases: [['02:00', 15]] },
      { neighbours: [{ address: 'here', mac: '02:00:00:00:00:01' }] },
      { neighbours: Array.from({ length: 300 }, () => ({ address: '10.0.2.15', mac: '02:00:00:00:00:01' })) },
      { connections: [{ mac: '02:00:00:00:00:01', guest: '10.0.2.15', guestPort: 0, remote: '1.2.3.4', remotePort: 80, next: 0 }] },
      { connections: [{ mac: '02:00:00:00:00:01', guest: '10.0.2.15', guestPort: 1, remote: 'fd00::1', remotePort: 80, next: 0 }] },
    ];
    for (const lie of lies) expect(() => nat.load({ ...saved, ...lie }, refuse), JSON.stringify(lie)).toThrow();
    expect(nat.save()).toEqual(saved);
  });
});

describe('A NAT whose guest', () => {
  it('is switched on anew knows no more of its connections, and hears nothing of them', () => {
    const bench = new NatBench();
    connect(bench, 40_000, 3000);
    bench.send(udpFrame(GUEST, 5000, SERVER, 99, Uint8Array.of(1)));
    expect(bench.nat.flows()).toHaveLength(2);
    bench.frames();
    bench.nat.linkChanged(false);
    bench.nat.powerOn();
    expect([bench.nat.flows(), bench.host.sockets[0].wasReset, bench.host.datagramSockets.every(({ closed }) => closed)]).toEqual([
      [],
      true,
      true,
    ]);
    bench.nat.linkChanged(true);
    bench.clock.advance(20_000);
    expect(segments(bench)).toEqual([]);
    // It goes on as any other.
    bench.send(udpFrame(GUEST, 5000, DNS, 53, new Uint8Array(12)));
    connect(bench, 40_000, 1);
    expect(bench.nat.flows()).toHaveLength(1);
  });

  it('is connected to something else hears that its connections are over', async () => {
    const bench = new NatBench();
    const next = connect(bench, 40_000, 10);
    await bench.nat.close();
    expect(segments(bench)).toMatchObject([{ flags: 'R.', targetPort: 40_000, seq: next }]);
    expect(bench.host.sockets[0].wasReset).toBe(true);
  });

  it('hears of the way for IPv6 again before it holds no longer', async () => {
    const bench = new NatBench();
    await bench.idle();
    bench.frames();
    let advertised = 0;
    for (let minute = 0; minute < 60; minute++) {
      for (let tens = 0; tens < 6; tens++) {
        bench.clock.advance(10_000);
        await Promise.resolve();
        await Promise.resolve();
      }
      await bench.idle();
      advertised += bench.frames().filter(({ protocol, data }) => protocol === 58 && data[0] === 134 && data[6] !== 0).length;
    }
    expect(advertised).toBeGreaterThanOrEqual(5);
    expect(advertised).toBeLessThanOrEqual(7);
  });
});
