import { describe, expect, it } from 'vitest';
import {
  GATEWAY,
  GUEST,
  NatBench,
  readTcp,
  tcpFrame,
  type TcpFields,
  type TcpSeen,
  TestSocket,
} from '../../../../../test/support/nat-bench';
import { addBytes, checksumOf, writeU16 } from '../../checksum';
import { parseAddress } from '../addresses';

// What packetdrill's scripts for TCP ask of a stack, written anew as frames: the guest is the script, the NAT is under test.

const SERVER = parseAddress('93.184.216.34')!;
const ISS = 1000;
const MSS = [2, 4, 0x05, 0xb4];
const SACK = [1, 1, 4, 2];
const SCALE = (shift: number): number[] => [1, 3, 3, shift];
const TS = (value: number, echo: number): number[] => [1, 1, 8, 10, ...bytes4(value), ...bytes4(echo)];
const bytes4 = (value: number): number[] => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
const pattern = (length: number, from = 0): Buffer =>
  Buffer.from(Array.from({ length }, (_, index) => ((from + index) * 7 + ((from + index) >> 8)) & 255));

class Script {
  readonly bench: NatBench;
  socket!: TestSocket;
  /** The NAT's initial sequence number. */
  iss = 0;

  constructor(prepare?: (bench: NatBench) => void) {
    this.bench = new NatBench({}, prepare);
  }

  send(fields: Partial<TcpFields> & { flags: string }): TcpSeen[] {
    this.bench.send(this.frame(fields));
    return this.seen();
  }
  frame(fields: Partial<TcpFields> & { flags: string }): Uint8Array {
    return tcpFrame(GUEST, SERVER, {
      sourcePort: 40000,
      targetPort: 80,
      seq: ISS + 1,
      ack: fields.flags.includes('.') ? this.iss + 1 : 0,
      ...fields,
    });
  }
  seen(): TcpSeen[] {
    return this.bench.frames().map(({ data, protocol }) => {
      expect(protocol).toBe(6);
      return readTcp(data);
    });
  }
  /** Passes time, and tells what was sent meanwhile. */
  after(milliseconds: number): TcpSeen[] {
    this.bench.clock.advance(milliseconds);
    return this.seen();
  }
  rel(seen: TcpSeen | undefined): string {
    if (!seen) return 'nothing';
    const seq = (seen.seq - this.iss) >>> 0;
    const ack = seen.flags.includes('.') ? ` ack ${(seen.ack - ISS) >>> 0}` : '';
    return `${seen.flags} ${seq}:${seq + seen.payload.length}${ack}`;
  }
  /** The handshake; returns the SYN/ACK. */
  connect(options: number[] = MSS, window = 65535): TcpSeen {
    expect(this.send({ flags: 'S', seq: ISS, options, window })).toEqual([]);
    this.socket = this.bench.host.sockets.at(-1)!;
    this.socket.events.connected();
    const [answer] = this.seen();
    this.iss = answer.seq;
    expect(this.send({ flags: '.', window })).toEqual([]);
    return answer;
  }
  fromHost(bytes: Uint8Array): TcpSeen[] {
    this.socket.events.data(bytes);
    return this.seen();
  }
  state(): string | undefined {
    return this.bench.nat.flows()[0]?.state;
  }
}

describe('TCP: opening', () => {
  it('connects outward first, and then answers with the options that the guest offered', () => {
    const script = new Script();
    const answer = script.connect([...MSS, ...SACK, ...TS(7, 0), ...SCALE(9)]);
    expect(script.socket).toMatchObject({ address: '93.184.216.34', port: 80 });
    expect(answer).toMatchObject({ flags: 'S.', ack: ISS + 1, mss: 1460, scale: 7, sackPermitted: true });
    expect(answer.timestamp?.[1]).toBe(7);
    expect(answer.window).toBe(65535);
  });

  it('offers nothing that the guest did not offer', () => {
    const answer = new Script().connect([]);
    expect(answer).toMatchObject({ mss: 1460, sackPermitted: false, sack: [] });
    expect(answer.scale).toBeUndefined();
    expect(answer.timestamp).toBeUndefined();
  });

  it('answers a repeated SYN neither before the host is connected nor with a second connection', () => {
    const script = new Script();
    script.send({ flags: 'S', seq: ISS, options: MSS });
    expect(script.send({ flags: 'S', seq: ISS, options: MSS })).toEqual([]);
    expect(script.bench.host.sockets).toHaveLength(1);
    script.bench.host.sockets[0].events.connected();
    expect(script.seen()).toHaveLength(1);
    expect(script.send({ flags: 'S', seq: ISS, options: MSS }).map(({ flags }) => flags)).toEqual(['S.']);
  });

  it('refuses with a RST what the host refused, and with ICMP what has no way', () => {
    const script = new Script();
    script.send({ flags: 'S', seq: ISS });
    script.bench.host.sockets[0].events.socketClosed('ECONNREFUSED');
    expect(script.seen()).toMatchObject([{ flags: 'R.', ack: ISS + 1, seq: 0 }]);
    script.send({ flags: 'S', seq: ISS });
    script.bench.host.sockets[1].events.socketClosed('EHOSTUNREACH');
    const [icmp] = script.bench.frames();
    expect([icmp.protocol, icmp.data[0], icmp.data[1]]).toEqual([1, 3, 1]);
    // The guest finds its SYN in it: addresses, ports and sequence number.
    expect(Buffer.from(icmp.data.subarray(28, 36)).toString('hex')).toBe('9c400050000003e8');
    expect(script.bench.nat.flows()).toEqual([]);
  });

  it('says nothing where the host timed out', () => {
    const script = new Script();
    script.send({ flags: 'S', seq: ISS });
    script.bench.host.sockets[0].events.socketClosed('ETIMEDOUT');
    expect(script.seen()).toEqual([]);
    expect(script.bench.nat.flows()).toEqual([]);
  });

  it('sends the SYN/ACK again, each time later, and gives up', () => {
    const script = new Script();
    script.send({ flags: 'S', seq: ISS, options: MSS });
    const socket = script.bench.host.sockets[0];
    socket.events.connected();
    expect(script.seen()).toHaveLength(1);
    expect(script.after(1100)).toHaveLength(1);
    expect(script.after(1500)).toHaveLength(0);
    expect(script.after(700)).toHaveLength(1);
    script.after(120_000);
    expect(socket.wasReset).toBe(true);
    expect(script.bench.nat.flows()).toEqual([]);
  });

  it('a RST after the SYN/ACK ends it, and the next connection is not harmed', () => {
    const script = new Script();
    script.send({ flags: 'S', seq: ISS, options: MSS });
    script.bench.host.sockets[0].events.connected();
    script.seen();
    expect(script.send({ flags: 'R', seq: ISS + 1 })).toEqual([]);
    expect(script.bench.host.sockets[0].wasReset).toBe(true);
    script.connect();
    expect(script.fromHost(pattern(10)).map((one) => script.rel(one))).toEqual(['P. 1:11 ack 1']);
  });

  it('an acknowledgement of what was never sent is answered by a RST with that number', () => {
    const script = new Script();
    script.send({ flags: 'S', seq: ISS, options: MSS });
    script.bench.host.sockets[0].events.connected();
    script.seen();
    expect(script.send({ flags: '.', ack: 12345 })).toMatchObject([{ flags: 'R', seq: 12345 }]);
  });

  it('segments of no connection are answered by a RST, RSTs by nothing', () => {
    const script = new Script();
    expect(script.send({ flags: '.', seq: 5, ack: 77 })).toMatchObject([{ flags: 'R', seq: 77 }]);
    expect(script.send({ flags: 'FP', seq: 5, payload: pattern(3) })).toMatchObject([{ flags: 'R.', seq: 0, ack: 9 }]);
    expect(script.send({ flags: 'R', seq: 5 })).toEqual([]);
  });
});

describe('TCP: data to the host', () => {
  it('goes there in order, and is acknowledged once a batch', () => {
    const script = new Script();
    script.connect();
    script.bench.send(
      script.frame({ flags: '.', payload: pattern(100) }),
      script.frame({ flags: '.', seq: ISS + 101, payload: pattern(100, 100) }),
      script.frame({ flags: 'P.', seq: ISS + 201, payload: pattern(50, 200) }),
    );
    expect(script.seen().map((one) => script.rel(one))).toEqual(['. 1:1 ack 251']);
    expect(script.socket.written.equals(pattern(250))).toBe(true);
  });

  it('out of order is kept and answered at once with SACK, the newest block first', () => {
    const script = new Script();
    script.connect([...MSS, ...SACK]);
    const [first] = script.send({ flags: '.', seq: ISS + 101, payload: pattern(100, 100) });
    expect(script.rel(first)).toBe('. 1:1 ack 1');
    expect(first.sack).toEqual([[ISS + 101, ISS + 201]]);
    const [second] = script.send({ flags: '.', seq: ISS + 301, payload: pattern(100, 300) });
    expect(second.sack).toEqual([
      [ISS + 301, ISS + 401],
      [ISS + 101, ISS + 201],
    ]);
    const [third] = script.send({ flags: '.', seq: ISS + 1, payload: pattern(150) });
    expect(script.rel(third)).toBe('. 1:1 ack 201');
    const [last] = script.send({ flags: '.', seq: ISS + 151, payload: pattern(200, 150) });
    expect(script.rel(last)).toBe('. 1:1 ack 401');
    expect(last.sack).toEqual([]);
    expect(script.socket.written.equals(pattern(400))).toBe(true);
  });

  it('what comes twice is written once', () => {
    const script = new Script();
    script.connect();
    script.send({ flags: '.', payload: pattern(100) });
    expect(script.send({ flags: '.', payload: pattern(100) }).map((one) => script.rel(one))).toEqual(['. 1:1 ack 101']);
    script.send({ flags: '.', seq: ISS + 51, payload: pattern(100, 50) });
    expect(script.socket.written.equals(pattern(150))).toBe(true);
  });

  it('URG is ignored: the bytes stay where they are', () => {
    const script = new Script();
    script.connect();
    script.send({ flags: 'UP.', payload: pattern(100) });
    expect(script.socket.written.equals(pattern(100))).toBe(true);
  });

  it('closes its window when the host takes nothing, takes no byte beyond it, and opens it again', () => {
    const script = new Script();
    script.connect([...MSS, ...SCALE(7)]);
    script.socket.holds = true;
    let seq = ISS + 1;
    let window = 65535;
    for (let tries = 0; window > 0 && tries < 200; tries++) {
      const size = Math.min(60000, window);
      const frame = script.frame({ flags: '.', seq, payload: pattern(size, seq - ISS - 1) });
      script.bench.send(frame);
      seq += size;
      window = (script.seen().at(-1)?.window ?? 0) << 7;
    }
    expect(window).toBe(0);
    // What is less than the unit of the scaled window was promised before.
    seq = script.send({ flags: '.', seq, payload: pattern(128, seq - ISS - 1) })[0].ack;
    const taken = script.socket.written.length;
    expect(taken).toBeGreaterThan(2 ** 20 - 129);
    expect(taken).toBeLessThanOrEqual(2 ** 20);
    // A probe of one byte is answered, not taken.
    expect(script.send({ flags: '.', seq, payload: pattern(1) })).toMatchObject([{ flags: '.', window: 0, ack: seq }]);
    expect(script.socket.written.length).toBe(taken);
    script.socket.release();
    const [update] = script.seen();
    expect(update).toMatchObject({ flags: '.', ack: seq });
    expect(update.window << 7).toBe(2 ** 20);
    expect(script.socket.written.equals(pattern(taken))).toBe(true);
  });

  it('never opens the window by slivers', () => {
    const script = new Script();
    script.connect();
    script.socket.holds = true;
    script.send({ flags: '.', payload: pattern(60000) });
    script.socket.pending = 2 ** 20;
    script.socket.events.drained();
    script.seen();
    script.socket.pending = 2 ** 20 - 100;
    script.socket.events.drained();
    expect(script.seen()).toEqual([]);
  });
});

describe('TCP: data to the guest', () => {
  it('is cut at the smaller MSS', () => {
    const script = new Script();
    script.connect([2, 4, 0x03, 0xe8]);
    expect(script.fromHost(pattern(2500)).map((one) => script.rel(one))).toEqual([
      '. 1:1001 ack 1',
      '. 1001:2001 ack 1',
      'P. 2001:2501 ack 1',
    ]);
  });

  it('a MSS of nothing does not make segments without data', () => {
    const script = new Script();
    script.connect([2, 4, 0, 1]);
    expect(script.fromHost(pattern(100)).every(({ payload }) => payload.length >= 36)).toBe(true);
  });

  it('goes in large segments where the guest takes them, with the size at which to cut', () => {
    const script = new Script((bench) => {
      bench.accepts = { checksum: true, tcp4: true, tcp6: true, ecn: false, udp: false };
    });
    script.connect([...MSS, ...SCALE(7)]);
    script.socket.events.data(pattern(50000));
    const frames = script.bench.frames();
    expect(frames.map(({ segmentation, segmentSize, data }) => [segmentation, segmentSize, data.length - 20])).toEqual([
      ['tcp4', 1460, 50000],
    ]);
  });

  it('stays within the window, scaled, and goes on when it opens', () => {
    const script = new Script();
    script.connect([...MSS, ...SCALE(2)], 1000);
    // The SYN's window is never scaled, those behind it are.
    expect(script.send({ flags: '.', window: 500 })).toEqual([]);
    expect(script.fromHost(pattern(10000)).map((one) => script.rel(one))).toEqual(['. 1:1461 ack 1']);
    expect(script.send({ flags: '.', ack: script.iss + 1461, window: 1000 }).map((one) => script.rel(one))).toEqual([
      '. 1461:2921 ack 1',
      '. 2921:4381 ack 1',
    ]);
  });

  it('is sent again when nothing is acknowledged, each time later, and at last the connection is given up', () => {
    const script = new Script();
    script.connect();
    script.fromHost(pattern(100));
    const times: number[] = [];
    for (let now = 0; now < 4000; now += 16) if (script.after(16).some(({ payload }) => payload.length === 100)) times.push(now + 16);
    const gaps = times.map((time, index) => time - (times[index - 1] ?? 0));
    expect(gaps.length).toBeGreaterThanOrEqual(2);
    for (let index = 1; index < gaps.length; index++) expect(gaps[index] / gaps[index - 1]).toBeCloseTo(2, 0);
    const seen = script.after(3_600_000);
    expect(seen.at(-1)?.flags).toContain('R');
    expect(script.socket.wasReset).toBe(true);
    expect(script.bench.nat.flows()).toEqual([]);
  });

  it('the third duplicate acknowledgement brings the lost segment at once, and only that', () => {
    const script = new Script();
    script.connect();
    expect(script.fromHost(pattern(14600))).toHaveLength(10);
    expect(script.send({ flags: '.', ack: script.iss + 1461 })).toEqual([]);
    expect(script.send({ flags: '.', ack: script.iss + 1461 })).toEqual([]);
    expect(script.send({ flags: '.', ack: script.iss + 1461 })).toEqual([]);
    expect(script.send({ flags: '.', ack: script.iss + 1461 }).map((one) => script.rel(one))).toEqual(['. 1461:2921 ack 1']);
    expect(script.send({ flags: '.', ack: script.iss + 14601 })).toEqual([]);
  });

  it('the end of what is under way, when lost, is asked for before the time-out', () => {
    const script = new Script();
    script.connect([...MSS, ...SACK]);
    // A first round trip tells how long answers take.
    script.fromHost(pattern(1460));
    script.after(10);
    script.send({ flags: '.', ack: script.iss + 1461 });
    expect(script.fromHost(pattern(4380))).toHaveLength(3);
    expect(script.after(150).map((one) => script.rel(one))).toEqual(['P. 4381:5841 ack 1']);
    // It asks once; the answer tells what is missing.
    const block = [1, 1, 5, 10, ...bytes4(script.iss + 4381), ...bytes4(script.iss + 5841)];
    expect(script.send({ flags: '.', ack: script.iss + 2921, options: block }).map((one) => script.rel(one))).toEqual([
      '. 2921:4381 ack 1',
    ]);
    expect(script.send({ flags: '.', ack: script.iss + 5841 })).toEqual([]);
    expect(script.after(10_000)).toEqual([]);
  });

  it('what fills a hole, when lost itself, is sent again once newer data has come through', () => {
    const script = new Script();
    script.connect([...MSS, ...SACK]);
    expect(script.fromHost(pattern(29_200))).toHaveLength(20);
    const sacked = (from: number, to: number): number[] => [
      ...[1, 1, 5, 10],
      ...bytes4(script.iss + 1 + 1460 * from),
      ...bytes4(script.iss + 1 + 1460 * to),
    ];
    // The first is missing, and so is what fills it.
    let again = 0;
    const tell = (to: number): void => {
      for (const one of script.send({ flags: '.', options: sacked(1, to) })) if (script.rel(one).includes(' 1:1461 ')) again++;
    };
    for (let to = 2; to <= 20; to++) tell(to);
    expect(again).toBe(1);
    script.fromHost(pattern(14_600));
    for (let to = 21; to <= 22; to++) tell(to);
    expect(again).toBe(1);
    for (let to = 23; to <= 26; to++) tell(to);
    expect(again).toBe(2);
  });

  it('a partial acknowledgement brings the next hole (NewReno)', () => {
    const script = new Script();
    script.connect();
    script.fromHost(pattern(14600));
    for (let count = 0; count < 4; count++) script.send({ flags: '.', ack: script.iss + 1461 });
    expect(script.send({ flags: '.', ack: script.iss + 4381 }).map((one) => script.rel(one))).toEqual(['. 4381:5841 ack 1']);
  });

  it('SACK tells the holes: only they are sent again', () => {
    const script = new Script();
    script.connect([...MSS, ...SACK]);
    script.fromHost(pattern(14600));
    const at = (n: number): number => script.iss + 1 + n * 1460;
    const block = (from: number, to: number): number[] => [1, 1, 5, 10, ...bytes4(at(from)), ...bytes4(at(to))];
    // Segments 1 and 4 are lost.
    script.send({ flags: '.', ack: at(1), options: block(2, 3) });
    script.send({ flags: '.', ack: at(1), options: block(2, 4) });
    const first = script.send({
      flags: '.',
      ack: at(1),
      options: [1, 1, 5, 18, ...bytes4(at(5)), ...bytes4(at(6)), ...bytes4(at(2)), ...bytes4(at(4))],
    });
    expect(first.map((one) => script.rel(one))).toEqual([`. 1461:2921 ack 1`]);
    const second = script.send({
      flags: '.',
      ack: at(1),
      options: [1, 1, 5, 18, ...bytes4(at(5)), ...bytes4(at(7)), ...bytes4(at(2)), ...bytes4(at(4))],
    });
    expect(second.map((one) => script.rel(one))).toEqual([`. 5841:7301 ack 1`]);
    expect(script.send({ flags: '.', ack: at(10) })).toEqual([]);
  });

  it('a closed window is probed, more and more rarely, as long as the guest answers', () => {
    const script = new Script();
    script.connect(MSS, 0);
    expect(script.fromHost(pattern(5000))).toEqual([]);
    const probes: number[] = [];
    for (let now = 0; now < 20_000; now += 16)
      for (const one of script.after(16)) {
        expect(script.rel(one)).toBe('. 0:0 ack 1');
        probes.push(now);
        script.send({ flags: '.', window: 0 });
      }
    expect(probes.length).toBeGreaterThan(2);
    expect(probes.length).toBeLessThan(10);
    script.after(1000);
    expect(script.state()).toBe('established');
    const sent = script.send({ flags: '.', window: 65535 });
    expect(sent.map((one) => script.rel(one)).at(-1)).toBe('P. 4381:5001 ack 1');
  });

  it('a window that is taken back below what is under way does no harm', () => {
    const script = new Script();
    script.connect();
    script.fromHost(pattern(4380));
    expect(script.send({ flags: '.', ack: script.iss + 1461, window: 0 })).toEqual([]);
    const again = script.after(1500);
    expect(again.length).toBeGreaterThan(0);
    expect(script.rel(again[0])).toBe('. 1461:1462 ack 1');
    script.send({ flags: '.', ack: script.iss + 1461, window: 65535 });
    script.after(3000);
    expect(script.send({ flags: '.', ack: script.iss + 4381 })).toEqual([]);
    expect(script.after(100_000)).toEqual([]);
  });

  it('stops reading from the host when much waits for the guest, and goes on when that is gone', () => {
    const script = new Script();
    script.connect(MSS, 0);
    for (let count = 0; count < 17; count++) script.socket.events.data(pattern(65536));
    expect(script.socket.paused).toBe(true);
    let acked = 0;
    for (let turn = 0; turn < 2000 && script.socket.paused; turn++) {
      const seen = script.send({ flags: '.', ack: script.iss + 1 + acked });
      for (const { payload } of seen) acked += payload.length;
      if (seen.length === 0) script.after(300);
    }
    expect(script.socket.paused).toBe(false);
  });

  it('waits without loss while the adapter has no room', () => {
    const script = new Script();
    script.connect();
    script.bench.hasRoom = false;
    expect(script.fromHost(pattern(3000))).toEqual([]);
    expect(script.after(60_000)).toEqual([]);
    script.bench.hasRoom = true;
    script.bench.nat.resume();
    expect(script.seen().map((one) => script.rel(one))).toEqual(['. 1:1461 ack 1', '. 1461:2921 ack 1', 'P. 2921:3001 ack 1']);
  });
});

describe('TCP: time stamps', () => {
  it('are echoed, and old duplicates are dropped', () => {
    const script = new Script();
    script.connect([...MSS, ...TS(1000, 0)]);
    const [ack] = script.send({ flags: 'P.', payload: pattern(10), options: TS(1010, 0) });
    expect(ack.timestamp?.[1]).toBe(1010);
    const [challenge] = script.send({ flags: 'P.', seq: ISS + 11, payload: pattern(10), options: TS(900, 0) });
    expect(script.rel(challenge)).toBe('. 1:1 ack 11');
    expect(script.socket.written.length).toBe(10);
  });

  it('of a segment out of order are not echoed yet', () => {
    const script = new Script();
    script.connect([...MSS, ...TS(1000, 0)]);
    const [ack] = script.send({ flags: 'P.', seq: ISS + 101, payload: pattern(10), options: TS(1010, 0) });
    expect(ack.timestamp?.[1]).toBe(1000);
  });
});

describe('TCP: RST and what does not fit (RFC 5961)', () => {
  it('a RST with the right number ends both sides', () => {
    const script = new Script();
    script.connect();
    expect(script.send({ flags: 'R', seq: ISS + 1 })).toEqual([]);
    expect(script.socket.wasReset).toBe(true);
    expect(script.bench.nat.flows()).toEqual([]);
  });

  it('one within the window is asked about, one outside is not heard', () => {
    const script = new Script();
    script.connect();
    expect(script.send({ flags: 'R', seq: ISS + 100 }).map((one) => script.rel(one))).toEqual(['. 1:1 ack 1']);
    expect(script.send({ flags: 'R', seq: ISS - 100 })).toEqual([]);
    expect(script.state()).toBe('established');
  });

  it('a SYN within a connection is asked about, and such questions are few', () => {
    const script = new Script();
    script.connect();
    let answers = 0;
    for (let count = 0; count < 50; count++) answers += script.send({ flags: 'S', seq: ISS + 1 + count }).length;
    expect(answers).toBeGreaterThan(0);
    expect(answers).toBeLessThanOrEqual(10);
    expect(script.state()).toBe('established');
  });

  it('an acknowledgement of what was not sent yet is asked about', () => {
    const script = new Script();
    script.connect();
    expect(script.send({ flags: 'P.', ack: script.iss + 5000, payload: pattern(5) }).map((one) => script.rel(one))).toEqual([
      '. 1:1 ack 1',
    ]);
    expect(script.socket.written.length).toBe(0);
  });

  it('a RST of the host comes to the guest', () => {
    const script = new Script();
    script.connect();
    script.socket.events.socketClosed('ECONNRESET');
    expect(script.seen()).toMatchObject([{ flags: 'R.' }]);
    expect(script.bench.nat.flows()).toEqual([]);
  });

  it('a keep-alive of the guest is answered', () => {
    const script = new Script();
    script.connect();
    expect(script.send({ flags: '.', seq: ISS }).map((one) => script.rel(one))).toEqual(['. 1:1 ack 1']);
  });
});

describe('TCP: closing', () => {
  it('the guest first', () => {
    const script = new Script();
    script.connect();
    expect(script.send({ flags: 'F.' }).map((one) => script.rel(one))).toEqual(['. 1:1 ack 2']);
    expect(script.socket.ended).toBe(true);
    expect(script.state()).toBe('close-wait');
    // Half-closed: the host goes on.
    expect(script.fromHost(pattern(10)).map((one) => script.rel(one))).toEqual(['P. 1:11 ack 2']);
    script.send({ flags: '.', seq: ISS + 2, ack: script.iss + 11 });
    script.socket.events.ended();
    expect(script.seen().map((one) => script.rel(one))).toEqual(['F. 11:11 ack 2']);
    expect(script.state()).toBe('last-ack');
    script.send({ flags: '.', seq: ISS + 2, ack: script.iss + 12 });
    expect(script.bench.nat.flows()).toEqual([]);
    expect(script.socket.wasReset).toBe(false);
  });

  it('the host first', () => {
    const script = new Script();
    script.connect();
    script.socket.events.ended();
    expect(script.seen().map((one) => script.rel(one))).toEqual(['F. 1:1 ack 1']);
    expect(script.state()).toBe('fin-wait-1');
    script.send({ flags: '.', ack: script.iss + 2 });
    expect(script.state()).toBe('fin-wait-2');
    script.send({ flags: 'P.', ack: script.iss + 2, payload: pattern(20) });
    expect(script.socket.written.equals(pattern(20))).toBe(true);
    expect(script.send({ flags: 'F.', seq: ISS + 21, ack: script.iss + 2 }).map((one) => script.rel(one))).toEqual(['. 2:2 ack 22']);
    expect(script.state()).toBe('time-wait');
    expect(script.socket.ended).toBe(true);
    // Its last acknowledgement was lost.
    expect(script.send({ flags: 'F.', seq: ISS + 21, ack: script.iss + 2 }).map((one) => script.rel(one))).toEqual(['. 2:2 ack 22']);
    script.after(30_000);
    expect(script.bench.nat.flows()).toEqual([]);
    expect(script.bench.clock.waiting).toBeLessThanOrEqual(1);
  });

  it('both at once', () => {
    const script = new Script();
    script.connect();
    script.socket.events.ended();
    script.seen();
    expect(script.send({ flags: 'F.' }).map((one) => script.rel(one))).toEqual(['. 2:2 ack 2']);
    expect(script.state()).toBe('closing');
    script.send({ flags: '.', seq: ISS + 2, ack: script.iss + 2 });
    expect(script.state()).toBe('time-wait');
  });

  it('data and FIN in one, out of order', () => {
    const script = new Script();
    script.connect();
    script.send({ flags: 'FP.', seq: ISS + 11, payload: pattern(10, 10) });
    expect(script.socket.ended).toBe(false);
    expect(script.send({ flags: '.', payload: pattern(10) }).map((one) => script.rel(one))).toEqual(['. 1:1 ack 22']);
    expect(script.socket.written.equals(pattern(20))).toBe(true);
    expect(script.socket.ended).toBe(true);
  });

  it('a FIN behind much data comes behind all of it, and again if it was lost', () => {
    const script = new Script();
    script.connect(MSS, 1460);
    script.socket.events.data(pattern(3000));
    script.socket.events.ended();
    expect(script.seen().map((one) => script.rel(one))).toEqual(['. 1:1461 ack 1']);
    expect(script.send({ flags: '.', ack: script.iss + 1461, window: 1460 }).map((one) => script.rel(one))).toEqual(['. 1461:2921 ack 1']);
    expect(script.send({ flags: '.', ack: script.iss + 2921, window: 1460 }).map((one) => script.rel(one))).toEqual([
      'FP. 2921:3001 ack 1',
    ]);
    expect(script.after(300).map((one) => script.rel(one))).toEqual(['FP. 2921:3001 ack 1']);
    script.send({ flags: '.', ack: script.iss + 3002 });
    expect(script.state()).toBe('fin-wait-2');
    expect(script.after(30_000)).toEqual([]);
  });

  it('a SYN in TIME-WAIT with a later number begins anew', () => {
    const script = new Script();
    script.connect();
    script.socket.events.ended();
    script.send({ flags: '.', ack: script.iss + 2 });
    script.send({ flags: 'F.', ack: script.iss + 2 });
    expect(script.state()).toBe('time-wait');
    script.send({ flags: 'S', seq: ISS + 5000, options: MSS });
    expect(script.bench.host.sockets).toHaveLength(2);
    expect(script.state()).toBe('connecting');
  });

  it('a half-closed connection whose guest is gone does not stay', () => {
    const script = new Script();
    script.connect();
    script.send({ flags: 'F.' });
    // The guest's system has forgotten it meanwhile, and says so when asked.
    const probes = script.after(61_000);
    expect(probes.map((one) => script.rel(one))).toEqual(['. 0:0 ack 2']);
    script.send({ flags: 'R', seq: ISS + 2 });
    expect(script.socket.wasReset).toBe(true);
    expect(script.bench.nat.flows()).toEqual([]);
  });

  it('a half-closed connection whose guest is there stays as long as it wants', () => {
    const script = new Script();
    script.connect();
    script.send({ flags: 'F.' });
    for (let minute = 0; minute < 300; minute++) for (const _ of script.after(60_000)) script.send({ flags: '.', seq: ISS + 2 });
    expect(script.state()).toBe('close-wait');
  });
});

describe('TCP: what scanners and broken stacks send', () => {
  const opened = (script: Script): number => script.bench.host.sockets.length;

  it('a SYN with FIN or RST opens nothing, one with ECN or data does', () => {
    const script = new Script();
    expect(script.send({ flags: 'SF', seq: ISS })).toEqual([]);
    expect(script.send({ flags: 'SR', seq: ISS })).toEqual([]);
    expect(opened(script)).toBe(0);
    const frame = script.frame({ flags: 'S', seq: ISS, options: MSS, payload: pattern(100) });
    // ECE and CWR ask for ECN, which we do not speak.
    frame[47] |= 0xc0;
    writeU16(frame, 50, 0);
    writeU16(frame, 50, checksumOf(addBytes(frame, 34, frame.length, addBytes(frame, 26, 34, 6 + frame.length - 34))));
    script.bench.send(frame);
    expect(opened(script)).toBe(1);
    script.bench.host.sockets[0].events.connected();
    // Of the data, which has no right to be there, nothing is acknowledged.
    expect(script.seen()).toMatchObject([{ flags: 'S.', ack: ISS + 1 }]);
    expect(script.bench.host.sockets[0].written.length).toBe(0);
  });

  it('no flags, or all of them but ACK, are answered by a RST where there is no connection, and by nothing where there is', () => {
    const script = new Script();
    expect(script.send({ flags: 'FPU', seq: 5 })).toMatchObject([{ flags: 'R.', seq: 0, ack: 6 }]);
    expect(script.send({ flags: '', seq: 5 })).toMatchObject([{ flags: 'R.', seq: 0, ack: 5 }]);
    script.connect();
    expect(script.send({ flags: 'FPU', payload: pattern(5) })).toEqual([]);
    expect(script.send({ flags: '', payload: pattern(5) })).toEqual([]);
    expect(script.state()).toBe('established');
    expect(script.socket.written.length).toBe(0);
  });

  it('a wrong checksum, or a header that is longer or shorter than can be, is not heard', () => {
    const script = new Script();
    script.connect();
    for (const [at, value] of [
      [60, 1],
      [46, 0x40],
      [46, 0xf0],
    ]) {
      const frame = script.frame({ flags: 'P.', payload: pattern(20) });
      if (at === 60) frame[at] ^= value;
      else {
        frame[at] = value;
        writeU16(frame, 50, 0);
        writeU16(frame, 50, checksumOf(addBytes(frame, 34, frame.length, addBytes(frame, 26, 34, 6 + frame.length - 34))));
      }
      script.bench.send(frame);
    }
    expect(script.after(1000)).toEqual([]);
    expect(script.socket.written.length).toBe(0);
  });

  it.each([
    ['without length', [2]],
    ['of length 0', [2, 0, 5, 180]],
    ['of length 1', [3, 1, 1, 1]],
    ['that are longer than the header', [8, 40, 1, 1]],
    ['of wrong length', [2, 3, 5, 1, 8, 3, 1, 1]],
    ['that nobody knows', [254, 4, 1, 1]],
  ])('options %s count as none', (_, options) => {
    const answer = new Script().connect(options);
    expect(answer).toMatchObject({ flags: 'S.', sackPermitted: false });
    expect(answer.timestamp).toBeUndefined();
  });

  it('the padding of short frames is no data', () => {
    const script = new Script();
    script.connect();
    const frame = script.frame({ flags: 'P.', payload: pattern(2) });
    script.bench.send(Uint8Array.of(...frame, 0, 0, 0, 0));
    expect(script.socket.written.equals(pattern(2))).toBe(true);
    script.bench.send(Uint8Array.of(...script.frame({ flags: '.', seq: ISS + 3 }), 9, 9, 9, 9, 9, 9));
    expect(script.socket.written.length).toBe(2);
  });

  it('SACK blocks that make no sense change nothing', () => {
    const script = new Script();
    script.connect([...MSS, ...SACK]);
    script.fromHost(pattern(2920));
    const block = (from: number, to: number): number[] => [1, 1, 5, 10, ...bytes4(script.iss + from), ...bytes4(script.iss + to)];
    // Another window each time: they are no duplicates.
    for (const [number, [from, to]] of [
      [2921, 1461],
      [1461, 90_000],
      [-5000, -100],
      [0, 2 ** 31],
    ].entries())
      expect(script.send({ flags: '.', window: 60_000 + number, options: block(from, to) })).toEqual([]);
    expect(script.send({ flags: '.', ack: script.iss + 2921 })).toEqual([]);
    expect(script.after(10_000)).toEqual([]);
    expect(script.state()).toBe('established');
  });
});

describe('TCP: numbers', () => {
  it('go on behind the end of their range, of the guest and of ours', () => {
    const script = new Script();
    const iss = 2 ** 32 - 1000;
    script.send({ flags: 'S', seq: iss, options: [...MSS, ...SACK] });
    script.socket = script.bench.host.sockets[0];
    script.socket.events.connected();
    const [answer] = script.seen();
    expect(answer.ack).toBe(iss + 1);
    script.iss = answer.seq;
    const data = pattern(5000);
    const at = (from: number, to: number): Partial<TcpFields> & { flags: string } => ({
      flags: '.',
      seq: (iss + 1 + from) % 2 ** 32,
      ack: (script.iss + 1) >>> 0,
      payload: data.subarray(from, to),
    });
    script.send(at(0, 900));
    const [gap] = script.send(at(1800, 2700));
    expect(gap.sack).toEqual([[(iss + 1801) % 2 ** 32, (iss + 2701) % 2 ** 32]]);
    const [filled] = script.send(at(900, 1800));
    expect(filled.ack).toBe((iss + 2701) % 2 ** 32);
    script.send(at(2700, 5000));
    expect(script.socket.written.equals(data)).toBe(true);
  });

  it('of time stamps too', () => {
    const script = new Script();
    script.connect([...MSS, ...TS(0xfffffff0, 0)]);
    script.send({ flags: 'P.', payload: pattern(10), options: TS(0x10, 0) });
    expect(script.socket.written.length).toBe(10);
    const [old] = script.send({ flags: 'P.', seq: ISS + 11, payload: pattern(10), options: TS(0xfffffff8, 0) });
    expect(script.rel(old)).toBe('. 1:1 ack 11');
    expect(script.socket.written.length).toBe(10);
    // Old time stamps do not save from a RST, and a segment without any is taken.
    script.send({ flags: 'P.', seq: ISS + 11, payload: pattern(10) });
    expect(script.socket.written.length).toBe(20);
    script.send({ flags: 'R', seq: ISS + 21, options: TS(1, 0) });
    expect(script.bench.nat.flows()).toEqual([]);
  });

  it('an old SYN in TIME-WAIT opens nothing', () => {
    const script = new Script();
    script.connect();
    script.send({ flags: 'P.', payload: pattern(100) });
    script.socket.events.ended();
    script.seen();
    script.send({ flags: 'F.', seq: ISS + 101, ack: script.iss + 2 });
    expect(script.state()).toBe('time-wait');
    expect(script.send({ flags: 'S', seq: ISS }).map((one) => script.rel(one))).toEqual(['. 2:2 ack 102']);
    expect(script.bench.host.sockets).toHaveLength(1);
  });
});

describe('TCP: handshakes that go otherwise', () => {
  const half = (): Script => {
    const script = new Script();
    script.send({ flags: 'S', seq: ISS, options: MSS });
    script.socket = script.bench.host.sockets[0];
    script.socket.events.connected();
    script.iss = script.seen()[0].seq;
    return script;
  };

  it('data in place of the last acknowledgement, and a FIN with it', () => {
    const script = half();
    script.send({ flags: 'FP.', payload: pattern(30) });
    expect(script.socket.written.equals(pattern(30))).toBe(true);
    expect(script.socket.ended).toBe(true);
    expect(script.state()).toBe('close-wait');
  });

  it('a host that speaks and ends before the guest has acknowledged', () => {
    const script = half();
    script.socket.events.data(pattern(10));
    script.socket.events.ended();
    expect(script.seen()).toEqual([]);
    expect(script.send({ flags: '.' }).map((one) => script.rel(one))).toEqual(['FP. 1:11 ack 1']);
    expect(script.state()).toBe('fin-wait-1');
  });

  it('a guest that gives up while the host is still connecting', () => {
    const script = new Script();
    script.send({ flags: 'S', seq: ISS, options: MSS });
    expect(script.send({ flags: 'R', seq: ISS + 1 })).toEqual([]);
    expect(script.bench.host.sockets[0].wasReset).toBe(true);
    expect(script.bench.nat.flows()).toEqual([]);
  });

  it('a guest that begins anew with another number while the host is still connecting', () => {
    const script = new Script();
    script.send({ flags: 'S', seq: ISS, options: MSS });
    script.send({ flags: 'S', seq: ISS + 70_000, options: MSS });
    const [first, second] = script.bench.host.sockets;
    expect(first.wasReset).toBe(true);
    second.events.connected();
    expect(script.seen()).toMatchObject([{ flags: 'S.', ack: ISS + 70_001 }]);
  });
});

describe('TCP: a RST ends each state', () => {
  const states: [string, (script: Script) => void, number][] = [
    ['fin-wait-1', (script) => script.socket.events.ended(), 1],
    [
      'fin-wait-2',
      (script) => {
        script.socket.events.ended();
        script.send({ flags: '.', ack: script.iss + 2 });
      },
      1,
    ],
    ['close-wait', (script) => script.send({ flags: 'F.' }), 2],
    [
      'last-ack',
      (script) => {
        script.send({ flags: 'F.' });
        script.socket.events.ended();
      },
      2,
    ],
    [
      'closing',
      (script) => {
        script.socket.events.ended();
        script.seen();
        script.send({ flags: 'F.' });
      },
      2,
    ],
    [
      'time-wait',
      (script) => {
        script.socket.events.ended();
        script.seen();
        script.send({ flags: 'F.', ack: script.iss + 2 });
      },
      2,
    ],
  ];

  it.each(states)('%s', (state, lead, at) => {
    const script = new Script();
    script.connect();
    lead(script);
    script.seen();
    expect(script.state()).toBe(state);
    expect(script.send({ flags: 'R', seq: ISS + at })).toEqual([]);
    expect(script.bench.nat.flows()).toEqual([]);
    expect(script.socket.wasReset).toBe(true);
    expect(script.after(3_600_000)).toEqual([]);
  });
});

describe('TCP: windows', () => {
  it('a FIN waits for a closed window, and comes when it opens', () => {
    const script = new Script();
    script.connect(MSS, 0);
    script.socket.events.ended();
    expect(script.seen()).toEqual([]);
    // It asks meanwhile.
    expect(script.after(3000).length).toBeGreaterThan(0);
    expect(script.send({ flags: '.', window: 100 }).map((one) => script.rel(one))).toEqual(['F. 1:1 ack 1']);
  });

  it('news of the window alone are no duplicate acknowledgements', () => {
    const script = new Script();
    script.connect();
    script.fromHost(pattern(14600));
    script.send({ flags: '.', ack: script.iss + 1461, window: 60_000 });
    for (let window = 60_001; window < 60_006; window++)
      expect(script.send({ flags: '.', ack: script.iss + 1461, window }).filter(({ payload }) => payload.length > 0)).toEqual([]);
  });

  it('an old segment does not change the window', () => {
    const script = new Script();
    script.connect();
    script.send({ flags: 'P.', payload: pattern(100), window: 30_000 });
    // Sent before that one, with less room.
    script.send({ flags: '.', window: 0 });
    expect(script.fromHost(pattern(100)).map((one) => script.rel(one))).toEqual(['P. 1:101 ack 101']);
  });

  it('data behind the FIN of the guest is not taken', () => {
    const script = new Script();
    script.connect();
    script.send({ flags: 'FP.', payload: pattern(10) });
    script.send({ flags: 'P.', seq: ISS + 12, payload: pattern(10) });
    script.send({ flags: 'FP.', seq: ISS + 1, payload: pattern(40) });
    expect(script.socket.written.equals(pattern(10))).toBe(true);
    expect(script.state()).toBe('close-wait');
  });
});

describe('TCP: opened towards the guest, by a forwarded port', () => {
  const CLIENT = 4321;
  const arrive = async (): Promise<{ bench: NatBench; socket: TestSocket; seen: () => TcpSeen[]; syn: TcpSeen }> => {
    const bench = new NatBench({ forwards: [{ protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 8080, guestPort: 80 }] });
    await bench.idle();
    bench.frames();
    const socket = new TestSocket('127.0.0.1', CLIENT);
    socket.events = bench.host.listeners.get(8080)!(socket, '127.0.0.1', CLIENT)!;
    const seen = (): TcpSeen[] => bench.frames().flatMap(({ data, protocol }) => (protocol === 6 ? [readTcp(data)] : []));
    const [syn] = seen();
    return { bench, socket, seen, syn };
  };
  const answer = (syn: TcpSeen, fields: Partial<TcpFields> & { flags: string }): Uint8Array =>
    tcpFrame(GUEST, GATEWAY, { sourcePort: 80, targetPort: syn.sourcePort, seq: ISS, ack: (syn.seq + 1) >>> 0, ...fields });

  it('asks again, each time later, and then gives up', async () => {
    const { bench, socket, seen, syn } = await arrive();
    expect(syn).toMatchObject({ flags: 'S', targetPort: 80, mss: 1460, scale: 7, sackPermitted: true });
    bench.clock.advance(1100);
    expect(seen().map(({ flags, seq }) => [flags, seq])).toEqual([['S', syn.seq]]);
    bench.clock.advance(200_000);
    expect(socket.wasReset).toBe(true);
    expect(bench.nat.flows()).toEqual([]);
  });

  it('is refused as the guest refuses, by the right number alone', async () => {
    const { bench, socket, syn } = await arrive();
    bench.send(answer(syn, { flags: 'R.', ack: syn.seq }));
    expect(socket.wasReset).toBe(false);
    bench.send(answer(syn, { flags: 'R.' }));
    expect(socket.wasReset).toBe(true);
  });

  it('answers a wrong acknowledgement by a RST, and goes on with the right one', async () => {
    const { bench, socket, seen, syn } = await arrive();
    bench.send(answer(syn, { flags: 'S.', ack: 77 }));
    expect(seen()).toMatchObject([{ flags: 'R', seq: 77 }]);
    bench.send(answer(syn, { flags: 'S.' }));
    expect(seen()).toMatchObject([{ flags: '.', ack: ISS + 1 }]);
    socket.events.data(pattern(10));
    // The guest has offered no options: 536 bytes, no time stamps.
    expect(seen()).toMatchObject([{ flags: 'P.', payload: Uint8Array.from(pattern(10)) }]);
    socket.events.data(pattern(600));
    expect(seen().map(({ payload }) => payload.length)).toEqual([536, 64]);
  });

  it('opens once where both open at the same time', async () => {
    const { bench, seen, syn } = await arrive();
    bench.send(answer(syn, { flags: 'S', ack: 0 }));
    expect(seen()).toMatchObject([{ flags: 'S.', seq: syn.seq, ack: ISS + 1 }]);
    bench.send(answer(syn, { flags: '.', seq: ISS + 1 }));
    expect(bench.nat.flows().map(({ state }) => state)).toEqual(['established']);
  });
});
