import { describe, expect, it } from 'vitest';
import { DNS, GATEWAY, GUEST, GUEST6, NatBench, tcpFrame, udpFrame, ipFrame } from '../../../../test/support/nat-bench';
import { plainFrame, type Frame } from '../packet-port';
import { parseAddress } from './addresses';
import { MOST_CONNECTIONS } from './tcp/stack';
import { MOST_MAPPINGS } from './udp';

const SERVER = parseAddress('93.184.216.34')!;
const SERVER6 = parseAddress('2606:2800:220:1::1')!;
const FRAMES = Number(process.env['HARTBOX_FUZZ_FRAMES'] ?? 100_000);

describe('Hostile frames', () => {
  it(`${FRAMES} random and mutated ones crash nothing, and memory stays bounded`, async () => {
    let state = 12345;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => random(256));
    const bench = new NatBench({
      hostAccess: true,
      forwards: [{ protocol: 'udp', hostAddress: '127.0.0.1', hostPort: 5353, guestPort: 53 }],
    });
    bench.onFrame = () => {};
    bench.accepts = { checksum: true, tcp4: true, tcp6: true, ecn: true, udp: true };
    await bench.idle();
    const dhcp = new Uint8Array(300);
    dhcp.set([1, 1, 6, 0, 1, 2, 3, 4]);
    dhcp.set([0x63, 0x82, 0x53, 0x63, 53, 1, 1, 50, 4, 10, 0, 2, 99, 255], 236);
    const query = Buffer.from('123401000001000000000000036e65740568617274620378797a0000010001', 'hex');
    const solicit = Uint8Array.of(1, 1, 2, 3, 0, 1, 0, 4, 1, 2, 3, 4, 0, 3, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    const link = parseAddress('fe80::15')!;
    const all = [
      () =>
        tcpFrame(GUEST, SERVER, {
          sourcePort: 40000 + random(8),
          targetPort: 80,
          seq: 1000,
          flags: 'S',
          options: [2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 7],
        }),
      () =>
        tcpFrame(GUEST, SERVER, {
          sourcePort: 40000 + random(8),
          targetPort: 80,
          seq: 1001 + random(3000),
          ack: random(2 ** 32),
          flags: ['.', 'P.', 'F.', 'R', 'U.'][random(5)],
          payload: bytes(random(1400)),
        }),
      () => tcpFrame(GUEST6, SERVER6, { sourcePort: 40000 + random(8), targetPort: 80, seq: 1000, flags: ['S', '.', 'R'][random(3)] }),
      () =>
        tcpFrame(GUEST, DNS, {
          sourcePort: 50000 + random(4),
          targetPort: 53,
          seq: 1,
          flags: ['S', 'P.'][random(2)],
          payload: bytes(random(40)),
        }),
      () => tcpFrame(GUEST, SERVER, { sourcePort: 1 + random(65535), targetPort: 1 + random(65535), seq: 1, flags: 'S' }),
      () => udpFrame(GUEST, 1 + random(65535), SERVER, 1 + random(65535), bytes(random(1400))),
      () => udpFrame(GUEST6, 1 + random(65535), SERVER6, 123, bytes(random(100))),
      () => udpFrame(GUEST, 5000, DNS, 53, query),
      () => udpFrame(GUEST, 53, GATEWAY, 32768 + random(20), bytes(20)),
      () => udpFrame(parseAddress('0.0.0.0')!, 68, parseAddress('255.255.255.255')!, 67, dhcp),
      () => udpFrame(link, 546, parseAddress('ff02::1:2')!, 547, solicit),
      () => ipFrame(GUEST, SERVER, 1, Uint8Array.of(8, 0, 0, 0, 1, 2, 0, random(256), 9, 9), 2),
      () => ipFrame(link, parseAddress('ff02::2')!, 58, Uint8Array.of(133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2), 2, 255),
      () =>
        ipFrame(
          link,
          parseAddress('ff02::1:ff00:2')!,
          58,
          Uint8Array.of(135, 0, 0, 0, 0, 0, 0, 0, ...parseAddress('fd48:7862:b0c::2')!, 1, 1, 2, 2, 2, 2, 2, 2),
          2,
          255,
        ),
      // Fragments of either family.
      () => {
        const frame = ipFrame(GUEST, SERVER, 17, bytes(8 * (1 + random(100))), -1);
        frame[18] = random(4);
        frame[20] = random(64);
        frame[21] = random(256);
        return frame;
      },
      () =>
        ipFrame(
          GUEST6,
          SERVER6,
          44,
          Uint8Array.of(17, 0, random(8), (random(32) << 3) | random(2), 0, 0, 0, random(4), ...bytes(8 * random(20))),
          -1,
        ),
      () =>
        Uint8Array.of(
          255,
          255,
          255,
          255,
          255,
          255,
          2,
          2,
          2,
          2,
          2,
          2,
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
          2,
          2,
          2,
          2,
          2,
          2,
          10,
          0,
          2,
          15,
          0,
          0,
          0,
          0,
          0,
          0,
          10,
          0,
          2,
          2,
        ),
      () => bytes(14 + random(200)),
    ];
    const before = process.memoryUsage();
    for (let count = 0; count < FRAMES; count++) {
      let frame = all[random(all.length)]();
      const how = random(4);
      if (how === 1) for (let changes = 1 + random(4); changes > 0; changes--) frame[random(frame.length)] = random(256);
      if (how === 2) frame = frame.slice(0, 14 + random(frame.length - 14 + 1));
      const view: Frame = plainFrame(
        random(2) ? [frame] : [frame.subarray(0, Math.min(20, frame.length)), frame.subarray(Math.min(20, frame.length))],
      );
      // The adapter's word for the checksum lets mutated frames in deeper.
      view.checksumValid = random(3) > 0;
      if (random(8) === 0) {
        view.segmentation = (['tcp4', 'tcp6', 'udp'] as const)[random(3)];
        view.segmentSize = random(3) === 0 ? random(65536) : 1 + random(2000);
        view.checksumStart = random(100);
      }
      bench.hasRoom = random(20) > 0;
      expect(bench.nat.take(view)).toBe(true);
      if (random(4) === 0) {
        bench.nat.flush();
        bench.nat.resume();
        bench.clock.run();
      }
      if (count % 64 === 0) {
        // What the world does meanwhile.
        const socket = bench.host.sockets[random(bench.host.sockets.length)];
        const what = random(5);
        if (what === 0) socket?.events.connected();
        if (what === 1) socket?.events.data(bytes(random(3000)));
        if (what === 2) socket?.events.ended();
        if (what === 3) socket?.events.socketClosed(random(2) ? undefined : 'ECONNRESET');
        bench.clock.advance(random(50));
        if (bench.host.sockets.length > 500) bench.host.sockets.splice(0, 250);
        if (bench.host.datagramSockets.length > 3000) bench.host.datagramSockets.splice(0, 2000);
        bench.host.pings.length = 0;
      }
      if (count % 5000 === 0) await bench.idle();
    }
    await bench.idle();
    const flows = bench.nat.flows();
    expect(flows.filter(({ protocol }) => protocol === 'tcp').length).toBeLessThanOrEqual(MOST_CONNECTIONS);
    expect(flows.filter(({ protocol }) => protocol === 'udp').length).toBeLessThanOrEqual(MOST_MAPPINGS);
    const grown = process.memoryUsage().rss - before.rss;
    expect(grown).toBeLessThan(600 * 2 ** 20);
    // It still does what it is for.
    bench.hasRoom = true;
    bench.nat.resume();
    bench.clock.advance(600_000);
    bench.onFrame = undefined;
    const sockets = bench.host.sockets.length;
    bench.send(tcpFrame(GUEST, SERVER, { sourcePort: 39999, targetPort: 81, seq: 7, flags: 'S' }));
    expect(bench.host.sockets.length).toBe(sockets + 1);
    await bench.nat.close();
    expect(bench.clock.waiting).toBe(0);
  }, 240_000);
});
