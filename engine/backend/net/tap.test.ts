import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { internetSum, MAC_A, numberedFrame, numberOf, offloadedFrame, TestBackend } from '../../../test/support/net-frames';
import { openTap, type TapInterface } from '../../host/tap';
import type { VmError } from '../../errors/vm-error';
import { type GuestPort, NO_OFFLOADS, type Offloads, plainFrame } from './packet-port';
import { TapBackend } from './tap';

const HEADER = 10;

/** An adapter; what it is given comes as to the other end of a cable. */
class TestGuest extends TestBackend implements GuestPort {
  readonly mac = MAC_A;
  readonly mtu = 1500;
  accepts: Readonly<Offloads> = NO_OFFLOADS;
  readonly warnings: VmError[] = [];
  warn(error: VmError): void {
    this.warnings.push(error);
  }
}

class FakeTap implements TapInterface {
  readonly written: Uint8Array[] = [];
  readonly toRead: Uint8Array[] = [];
  isDown = false;
  private call: (() => void) | undefined;

  read(buffer: Uint8Array): number {
    const packet = this.toRead.shift();
    if (packet) buffer.set(packet);
    return packet?.length ?? 0;
  }
  write(pieces: readonly Uint8Array[]): boolean {
    if (!this.isDown) this.written.push(Uint8Array.from(Buffer.concat(pieces)));
    return !this.isDown;
  }
  whenReadable(call: () => void): void {
    this.call = call;
  }
  async close(): Promise<void> {}
  /** The kernel has these packets. */
  offer(...packets: Uint8Array[]): void {
    this.toRead.push(...packets);
    const { call } = this;
    this.call = undefined;
    call?.();
  }
}

function setUp(): { tap: FakeTap; guest: TestGuest; backend: TapBackend } {
  const tap = new FakeTap();
  const backend = new TapBackend('tap0', tap);
  const guest = new TestGuest();
  backend.attach(guest);
  return { tap, guest, backend };
}

function withHeader(frame: Uint8Array, ...header: number[]): Uint8Array {
  return Uint8Array.from(Buffer.concat([Uint8Array.from([...header, ...new Array<number>(HEADER - header.length).fill(0)]), frame]));
}

describe('a tap', () => {
  it('carries frames both ways, large ones whole where both sides can', () => {
    const { tap, guest, backend } = setUp();
    backend.take(plainFrame([numberedFrame(1).subarray(0, 20), numberedFrame(1).subarray(20)]));
    expect(tap.written).toEqual([withHeader(numberedFrame(1))]);
    const { bytes, transport, headers } = offloadedFrame({ version: 4, protocol: 'tcp', payload: new Uint8Array(3000).fill(7) });
    backend.take({
      ...plainFrame([bytes]),
      segmentation: 'tcp4',
      segmentSize: 1000,
      checksumStart: transport,
      checksumOffset: 16,
      headerLength: headers,
    });
    expect(tap.written[1]).toEqual(withHeader(bytes, 1, 1, headers, 0, 1000 & 255, 1000 >> 8, transport, 0, 16, 0));

    guest.accepts = { ...NO_OFFLOADS, checksum: true, tcp4: true };
    const large = withHeader(bytes, 1, 1, headers, 0, 1000 & 255, 1000 >> 8, transport, 0, 16, 0);
    tap.offer(withHeader(numberedFrame(2)), large);
    expect(
      guest.frames.map(({ length, segmentation, segmentSize, checksumStart }) => [length, segmentation, segmentSize, checksumStart]),
    ).toEqual([
      [60, 'none', 0, -1],
      [bytes.length, 'tcp4', 1000, transport],
    ]);
    guest.accepts = NO_OFFLOADS;
    tap.offer(large);
    expect(guest.frames.slice(2).map(({ length, segmentation, checksumStart }) => [length, segmentation, checksumStart])).toEqual(
      new Array(3).fill([headers + 1000, 'none', -1]),
    );
  });

  it('keeps what the guest has no room for, and reads no more until it has', () => {
    const { tap, guest, backend } = setUp();
    guest.room = 1;
    tap.offer(...[1, 2, 3].map((number) => withHeader(numberedFrame(number))));
    expect(guest.frames.map(({ bytes }) => numberOf(bytes))).toEqual([1]);
    expect(tap.toRead).toHaveLength(1);
    guest.room = 5;
    backend.resume();
    expect(guest.frames.map(({ bytes }) => numberOf(bytes))).toEqual([1, 2]);
    tap.offer();
    expect(guest.frames.map(({ bytes }) => numberOf(bytes))).toEqual([1, 2, 3]);
  });

  it('that is down on the host says so once', () => {
    const { tap, guest, backend } = setUp();
    tap.isDown = true;
    for (let i = 0; i < 5; i++) backend.take(plainFrame([numberedFrame(i)]));
    expect(guest.warnings.map(({ code }) => code)).toEqual(['tap-down']);
    expect(backend.statistics()).toEqual({ droppedFromGuest: 5, droppedToGuest: 0 });
  });

  it('survives packets that are not what their header says', () => {
    const { tap, guest } = setUp();
    tap.offer(Uint8Array.of(1, 2, 3), withHeader(numberedFrame(1), 1, 1, 255, 255, 0, 0, 255, 255, 255, 255), withHeader(numberedFrame(2)));
    expect(guest.frames.map(({ bytes }) => numberOf(bytes))).toEqual([2]);
  });
});

const isPossible = process.platform === 'linux' && process.getuid?.() === 0 && existsSync('/dev/net/tun') && existsSync('/sbin/ip');

describe.runIf(isPossible)('a tap of this Linux', () => {
  const name = `hb${process.pid}`;
  const ip = (...words: string[]): void => void execFileSync('ip', words);
  let backend: TapBackend | undefined;
  afterEach(async () => {
    await backend?.close();
    backend = undefined;
  });

  it('carries what programs send, and brings them the answers', async () => {
    backend = TapBackend.open(name);
    const guest = new TestGuest();
    backend.attach(guest);
    backend.take(plainFrame([numberedFrame(1)]));
    expect(guest.warnings.map(({ code }) => code)).toEqual(['tap-down']);
    // Of the nets for measurements (RFC 2544); the guest is their second host.
    ip('link', 'set', name, 'up');
    ip('addr', 'add', '198.18.77.1/30', 'dev', name);
    ip('neigh', 'replace', '198.18.77.2', 'lladdr', [...MAC_A].map((byte) => byte.toString(16).padStart(2, '0')).join(':'), 'dev', name);
    const socket = createSocket('udp4');
    try {
      await new Promise<void>((resolve) => socket.bind(0, '198.18.77.1', resolve));
      const heard = new Promise<Buffer>((resolve) => socket.on('message', resolve));
      socket.send('question', 4000, '198.18.77.2');
      const isUdp = (bytes: Uint8Array): boolean =>
        bytes[12] === 8 && bytes[13] === 0 && bytes[23] === 17 && Buffer.from(bytes).includes('question');
      await vi.waitFor(() => expect(guest.frames.some(({ bytes }) => isUdp(bytes))).toBe(true), 10_000);
      const { bytes } = guest.frames.find((one) => isUdp(one.bytes))!;
      // Its checksum was made here: the guest takes none that is not.
      const pseudo = Uint8Array.of(...bytes.subarray(26, 34), 0, 17, 0, bytes.length - 34);
      expect(internetSum(pseudo, bytes.subarray(34))).toBe(0xffff);
      const answer = Uint8Array.of(
        ...[...bytes.subarray(6, 12), ...MAC_A, ...bytes.subarray(12, 26)],
        ...[...bytes.subarray(30, 34), ...bytes.subarray(26, 30), ...bytes.subarray(36, 38), ...bytes.subarray(34, 36)],
        ...[...bytes.subarray(38, 40), 0, 0, ...Buffer.from('answered')],
      );
      backend.take(plainFrame([answer.subarray(0, 30), answer.subarray(30)]));
      expect((await heard).toString()).toBe('answered');
    } finally {
      socket.close();
    }
  });

  it('is not lent twice, and what is none is told from it', () => {
    backend = TapBackend.open(name);
    expect(() => openTap(name)).toThrow(expect.objectContaining({ code: 'tap-busy' }));
    expect(() => openTap('lo')).toThrow(expect.objectContaining({ code: 'tap-kind' }));
  });
});
