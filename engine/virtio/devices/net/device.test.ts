import { describe, expect, it } from 'vitest';
import { MOCK_VARIANTS, MockDriver, type MockOptions } from '../../../../test/support/mock-driver';
import { BROADCAST, MAC_A, MAC_B, numberedFrame, numberOf, offloadedFrame, TestBackend } from '../../../../test/support/net-frames';
import { type Frame, plainFrame } from '../../../backend/net/packet-port';
import { VmError } from '../../../errors/vm-error';
import { STATUS_NEEDS_RESET } from '../../transport/transport';
import { VirtioNet, type VirtioNetOptions } from './device';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_USO,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
} from './features';

const MAC = '02:48:42:00:00:0b';
const HEADER = 12;
/** virtio_net_hdr (virtio 1.3 §5.1.6). */
const header = (
  fields: { flags?: number; gso?: number; headers?: number; size?: number; start?: number; offset?: number } = {},
): Uint8Array => {
  const { flags = 0, gso = 0, headers = 0, size = 0, start = 0, offset = 0 } = fields;
  const le = (value: number): number[] => [value & 0xff, value >>> 8];
  return Uint8Array.of(flags, gso, ...le(headers), ...le(size), ...le(start), ...le(offset), 0, 0);
};

interface SetUp extends Partial<VirtioNetOptions> {
  without?: number[];
  variant?: MockOptions;
}

function setUp({ without = [], variant, ...options }: SetUp = {}): { backend: TestBackend; device: VirtioNet; driver: MockDriver } {
  const backend = new TestBackend();
  const device = new VirtioNet({ mac: MAC, backend, ...options });
  const driver = MockDriver.for(device, undefined, variant);
  driver.start({ features: [...driver.offered()].filter((bit) => !without.includes(bit)) });
  return { backend, device, driver };
}

/** Give the device receive buffers; what was written to each, once it has come back. */
function receiveBuffers(driver: MockDriver, lengths: number[], queue = 0): () => Uint8Array[] {
  const chains = lengths.map((length) => driver.queues[queue].add({ writable: [length] }));
  driver.queues[queue].kick(true);
  return () =>
    driver.queues[queue].takeUsed().map(({ id, written }) => {
      const at = chains.findIndex((chain) => chain.id === id);
      const [chain] = chains.splice(at, 1);
      return Uint8Array.from(driver.written(chain)).slice(0, written);
    });
}

function transmit(driver: MockDriver, frame: Uint8Array, { head = header(), queue = 1 } = {}): void {
  driver.queues[queue].add({ readable: [head, frame] });
  driver.queues[queue].kick(true);
}

const CONTROL = 2;
function command(driver: MockDriver, bytes: number[], queue = CONTROL): number {
  const chain = driver.queues[queue].add({ readable: [Uint8Array.from(bytes)], writable: [1] });
  driver.queues[queue].kick(true);
  driver.queues[queue].takeUsed();
  return driver.written(chain)[0];
}

describe.each(MOCK_VARIANTS)('frames through VirtioNet, $name', (variant) => {
  it('go both ways, those of the guest as views of its own memory', () => {
    const { backend, device, driver } = setUp({ variant });
    transmit(driver, numberedFrame(7));
    expect(backend.frames.map(({ bytes }) => bytes)).toEqual([numberedFrame(7)]);
    expect(backend.frames[0].buffers.every((buffer) => buffer === driver.memory.bytes.buffer)).toBe(true);
    expect(backend.frames[0]).toMatchObject({ length: 60, checksumStart: -1, segmentation: 'none' });
    expect(backend.flushed).toBe(1);
    expect(driver.queues[1].takeUsed()).toHaveLength(1);

    const used = receiveBuffers(driver, [2048]);
    expect(backend.guest.take(plainFrame([numberedFrame(9).subarray(0, 20), numberedFrame(9).subarray(20)]))).toBe(true);
    const [got] = used();
    expect(got.subarray(HEADER)).toEqual(numberedFrame(9));
    expect([...got.subarray(0, HEADER)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    expect(device.statistics).toMatchObject({ framesFromGuest: 1, bytesFromGuest: 60, framesToGuest: 1, bytesToGuest: 60 });
  });

  it('of one large one are put into as many small buffers as it takes, at once', () => {
    const { backend, driver } = setUp({ variant });
    const used = receiveBuffers(driver, [100, 50, 64, 3000]);
    const frame = numberedFrame(3, { length: 200 });
    backend.guest.take(plainFrame([frame]));
    const got = used();
    expect(got.map(({ length }) => length)).toEqual([100, 50, 62]);
    expect(Buffer.concat(got).subarray(HEADER)).toEqual(Buffer.from(frame));
    expect(got[0][10]).toBe(3);
    // The buffer that was not needed takes the next.
    backend.guest.take(plainFrame([numberedFrame(4)]));
    expect(used()[0].subarray(HEADER)).toEqual(numberedFrame(4));
  });

  it('wait where there is no room, in either direction, and go on in order', () => {
    const { backend, driver } = setUp({ variant });
    backend.room = 2;
    for (let i = 0; i < 5; i++) driver.queues[1].add({ readable: [header(), numberedFrame(i)] });
    driver.queues[1].kick(true);
    expect(driver.queues[1].takeUsed()).toHaveLength(2);
    transmit(driver, numberedFrame(5));
    expect(backend.frames).toHaveLength(2);
    backend.room = 100;
    backend.guest.resume();
    expect(backend.frames.map(({ bytes }) => numberOf(bytes))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(driver.queues[1].takeUsed()).toHaveLength(4);

    // Two of the three buffers that it takes.
    const used = receiveBuffers(driver, [40, 40]);
    expect(backend.guest.take(plainFrame([numberedFrame(1, { length: 100 })]))).toBe(false);
    expect(backend.resumed).toBe(0);
    const more = receiveBuffers(driver, [40]);
    expect(backend.resumed).toBe(1);
    expect(backend.guest.take(plainFrame([numberedFrame(1, { length: 100 })]))).toBe(true);
    const parts = driver.queues[0].takeUsed();
    expect(parts.map(({ written }) => written)).toEqual([40, 40, 32]);
    expect([used(), more()]).toEqual([[], []]);
  });
});

describe('offloads of VirtioNet', () => {
  it('tell the back end what is still to be done, in its own words', () => {
    const { backend, driver } = setUp();
    const { bytes, transport, headers } = offloadedFrame({ version: 4, protocol: 'tcp', payload: new Uint8Array(3000) });
    transmit(driver, bytes, { head: header({ flags: 1, gso: 0x81, headers, size: 1460, start: transport, offset: 16 }) });
    expect(backend.frames[0]).toMatchObject({
      segmentation: 'tcp4',
      segmentSize: 1460,
      headerLength: headers,
      checksumStart: transport,
      checksumOffset: 16,
      ecn: true,
    });
    transmit(driver, bytes, { head: header({ flags: 1, gso: 4, size: 1000, start: transport, offset: 16 }) });
    transmit(driver, bytes, { head: header({ flags: 1, gso: 5, size: 1000, start: transport, offset: 6 }) });
    transmit(driver, bytes, { head: header({ flags: 1, start: transport, offset: 16 }) });
    expect(backend.frames.slice(1).map(({ segmentation }) => segmentation)).toEqual(['tcp6', 'udp', 'none']);
  });

  it('are dropped where they do not fit the frame or were not agreed on', () => {
    const bytes = numberedFrame(1);
    const plain = setUp({ without: [VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_HOST_USO, 13] });
    transmit(plain.driver, bytes, { head: header({ flags: 1, start: 34, offset: 16 }) });
    const { backend, device, driver } = setUp();
    for (const fields of [
      { flags: 1, start: 60, offset: 0 },
      { flags: 1, start: 0xffff, offset: 0xffff },
      { gso: 1, size: 1460 },
      { flags: 1, gso: 1, size: 0, start: 34, offset: 16 },
      { flags: 1, gso: 3, size: 100, start: 34, offset: 16 },
    ])
      transmit(driver, bytes, { head: header(fields) });
    transmit(driver, bytes.subarray(0, 13));
    expect([plain.backend.frames, backend.frames]).toEqual([[], []]);
    expect([plain.device.statistics.droppedFromGuest, device.statistics.droppedFromGuest]).toEqual([1, 6]);
    expect(device.isActive).toBe(true);
    transmit(driver, bytes);
    expect(backend.frames).toHaveLength(1);
  });

  it('a frame without a header stops the device until it is reset', () => {
    const { driver } = setUp();
    driver.queues[1].add({ readable: [new Uint8Array(11)] });
    driver.queues[1].kick(true);
    expect(driver.read('Status') & STATUS_NEEDS_RESET).toBe(STATUS_NEEDS_RESET);
    expect(driver.start().transport.device!.isActive).toBe(true);
  });

  it('towards the guest are what its driver has agreed to, and can be switched off', () => {
    const { backend, driver } = setUp({ without: [VIRTIO_NET_F_GUEST_TSO6] });
    expect(backend.guest.accepts).toEqual({ checksum: true, tcp4: true, tcp6: false, ecn: true, udp: true });
    const large: Frame = {
      ...plainFrame([numberedFrame(1)]),
      checksumStart: 34,
      checksumOffset: 16,
      segmentation: 'tcp4',
      segmentSize: 1448,
    };
    const used = receiveBuffers(driver, [200, 200, 200]);
    backend.guest.take({ ...large, headerLength: 54, ecn: true });
    backend.guest.take({ ...plainFrame([numberedFrame(2)]), checksumValid: true });
    // What was not agreed on gets lost.
    backend.guest.take({ ...large, segmentation: 'tcp6' });
    expect(used().map((bytes) => [...bytes.subarray(0, HEADER)])).toEqual([
      [1, 0x81, 54, 0, 1448 & 0xff, 1448 >>> 8, 34, 0, 16, 0, 1, 0],
      [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
    ]);
    // VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET: the checksum alone; then what was not agreed on.
    expect(command(driver, [5, 0, 1 << VIRTIO_NET_F_GUEST_CSUM, 0, 0, 0, 0, 0, 0, 0])).toBe(0);
    expect(backend.guest.accepts).toEqual({ checksum: true, tcp4: false, tcp6: false, ecn: false, udp: false });
    expect(command(driver, [5, 0, 0, 1, 0, 0, 0, 0, 0, 0])).toBe(1);
    driver.start();
    expect(backend.guest.accepts.tcp6).toBe(true);
    driver.write('Status', 0);
    expect(backend.guest.accepts.checksum).toBe(false);
  });

  it('that need another are refused without it', () => {
    const refused = (without: number[]): boolean => {
      const driver = MockDriver.for(new VirtioNet({ mac: MAC, queues: 2 }));
      return !driver.negotiate([...driver.offered()].filter((bit) => !without.includes(bit)));
    };
    expect([[], [VIRTIO_NET_F_MRG_RXBUF], [VIRTIO_NET_F_HOST_USO]].map(refused)).toEqual([false, false, false]);
    const guestOffloads = [VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_USO4, 55];
    expect([[VIRTIO_NET_F_CSUM], [VIRTIO_NET_F_GUEST_CSUM], [VIRTIO_NET_F_CTRL_VQ], guestOffloads].map(refused)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect([[...guestOffloads, VIRTIO_NET_F_GUEST_ECN, VIRTIO_NET_F_GUEST_CSUM]].map(refused)).toEqual([false]);
  });
});

describe('buffers for VirtioNet', () => {
  it('that are not merged have to hold a whole frame; a larger one is lost, and the buffer stays', () => {
    const { backend, device, driver } = setUp({ without: [VIRTIO_NET_F_MRG_RXBUF] });
    const used = receiveBuffers(driver, [100, 100]);
    expect(backend.guest.take(plainFrame([numberedFrame(1, { length: 89 })]))).toBe(true);
    expect(backend.guest.take(plainFrame([numberedFrame(2, { length: 88 })]))).toBe(true);
    expect(backend.guest.take(plainFrame([numberedFrame(3, { length: 60 })]))).toBe(true);
    expect(used().map((bytes) => numberOf(bytes.subarray(HEADER)))).toEqual([2, 3]);
    expect(device.statistics.droppedToGuest).toBe(1);
  });

  it('that have no room for a header stop the device', async () => {
    const { backend, driver } = setUp();
    receiveBuffers(driver, [11]);
    expect(backend.guest.take(plainFrame([numberedFrame(1)]))).toBe(true);
    expect(driver.read('Status') & STATUS_NEEDS_RESET).toBe(STATUS_NEEDS_RESET);
    driver.write('Status', 0);
    await driver.transport.drained();
  });

  it('are not used without a driver, and what comes meanwhile is lost', () => {
    const backend = new TestBackend();
    const device = new VirtioNet({ mac: MAC, backend });
    expect(backend.guest.take(plainFrame([numberedFrame(1)]))).toBe(true);
    expect(device.statistics.droppedToGuest).toBe(1);
    const driver = MockDriver.for(device).start();
    expect(backend.guest.take(plainFrame([numberedFrame(1)]))).toBe(false);
    // The back end that waits goes on when the driver goes.
    driver.write('Status', 0);
    expect(backend.resumed).toBe(1);
    expect(backend.links).toEqual([true, false]);
  });
});

describe('what the driver sets by commands', () => {
  const frames = (backend: TestBackend, to: Uint8Array[]): void => {
    for (const [i, address] of to.entries()) backend.guest.take(plainFrame([numberedFrame(i, { to: address })]));
  };
  const GROUP = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);
  const OWN = Uint8Array.of(0x02, 0x48, 0x42, 0, 0, 0x0b);
  const all = [OWN, MAC_B, GROUP, BROADCAST];
  const passing = (commands: number[][]): number[] => {
    const { backend, driver } = setUp();
    expect(commands.map((one) => command(driver, one))).toEqual(commands.map(() => 0));
    const used = receiveBuffers(driver, [200, 200, 200, 200]);
    frames(backend, all);
    return used().map((bytes) => numberOf(bytes.subarray(HEADER)));
  };
  const table = (...addresses: Uint8Array[]): number[] => [addresses.length, 0, 0, 0, ...addresses.flatMap((address) => [...address])];

  it('is which frames it wants', () => {
    expect(passing([])).toEqual([0, 1, 2, 3]);
    const strict = [0, 0, 0];
    expect(passing([strict])).toEqual([0, 3]);
    expect(passing([strict, [0, 1, 1]])).toEqual([0, 2, 3]);
    expect(passing([strict, [0, 2, 1]])).toEqual([0, 1, 3]);
    expect(
      passing([
        [0, 0, 0],
        [0, 5, 1],
      ]),
    ).toEqual([0]);
    expect(passing([strict, [0, 4, 1], [0, 1, 1], [0, 3, 1]])).toEqual([3]);
    expect(passing([strict, [1, 0, ...table(MAC_B), ...table(GROUP)]])).toEqual([0, 1, 2, 3]);
    expect(passing([strict, [1, 0, ...table(), ...table(MAC_A)]])).toEqual([0, 3]);
    expect(passing([strict, [1, 1, ...MAC_B]])).toEqual([1, 3]);
    const many = Array.from({ length: 65 }, (_, i) => Uint8Array.of(2, 9, 9, 9, 9, i));
    expect(passing([strict, [1, 0, ...table(...many), ...table()]])).toEqual([0, 1, 3]);
  });

  it('is which VLANs it is in', () => {
    const { backend, driver } = setUp();
    const tagged = (vlan: number): Frame => {
      const frame = numberedFrame(vlan);
      frame.set([0x81, 0, vlan >>> 8, vlan & 0xff, 0x88, 0xb5], 12);
      return plainFrame([frame]);
    };
    const used = receiveBuffers(
      driver,
      Array.from({ length: 8 }, () => 200),
    );
    expect([command(driver, [2, 0, 5, 1]), command(driver, [2, 0, 7, 0]), command(driver, [2, 1, 7, 0])]).toEqual([0, 0, 0]);
    for (const vlan of [5, 7, 0x105]) backend.guest.take(tagged(vlan));
    backend.guest.take(plainFrame([numberedFrame(1)]));
    expect(used().map((bytes) => (bytes[HEADER + 14] << 8) | bytes[HEADER + 15])).toEqual([0x105, 1]);
    expect(command(driver, [2, 0, 0, 0x10])).toBe(1);
  });

  it('is refused where it is nothing that there is, or too short', () => {
    const { driver, device } = setUp({ queues: 2 });
    for (const wrong of [
      [],
      [0],
      [0, 0],
      [0, 6, 1],
      [1, 0, 1, 0, 0, 0],
      [1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
      [1, 1, 1, 2, 3],
      [1, 2, 0, 0, 0, 0, 0, 0],
      [2, 2, 0, 0],
      [3, 1],
      [4, 0, 0, 0],
      [4, 0, 3, 0],
      [4, 1, 1, 0],
      [5, 0, 0],
      [6, 0],
      [255, 255],
    ])
      expect([wrong, command(driver, wrong, 4)]).toEqual([wrong, 1]);
    expect(device.isActive).toBe(true);
    driver.queues[4].add({ readable: [Uint8Array.of(0, 0, 0)] });
    driver.queues[4].kick(true);
    expect(device.status.kind).toBe('Error');
  });

  it('without MQ come by the queue behind the first pair', () => {
    const { driver, device } = setUp({ queues: 4, without: [VIRTIO_NET_F_MQ] });
    expect(command(driver, [1, 1, ...MAC_B], 2)).toBe(0);
    expect(device.mac).toBe('02:00:00:00:00:0b');
    driver.write('Status', 0);
    expect(device.mac).toBe(MAC);
  });
});

describe('several pairs of queues', () => {
  it('are used as the driver says, and a flow comes back where the guest sends it', () => {
    const { backend, device, driver } = setUp({ queues: 4 });
    const flow = (port: number): Uint8Array<ArrayBuffer> => {
      const { bytes, transport } = offloadedFrame({ version: 4, protocol: 'udp', payload: new Uint8Array(20) });
      new DataView(bytes.buffer).setUint16(transport, port);
      return bytes;
    };
    const back = (port: number): Uint8Array<ArrayBuffer> => {
      const bytes = flow(port);
      bytes.set(flow(port).subarray(26, 30), 30);
      bytes.set(flow(port).subarray(30, 34), 26);
      bytes.set(flow(port).subarray(34, 36), 36);
      bytes.set(flow(port).subarray(36, 38), 34);
      return bytes;
    };
    const used = [0, 1, 2, 3].map((pair) => receiveBuffers(driver, [200, 200, 200, 200], 2 * pair));
    const where = (): number[] => used.map((take) => take().length);
    backend.guest.take(plainFrame([back(1000)]));
    expect(where()).toEqual([1, 0, 0, 0]);
    expect(command(driver, [4, 0, 4, 0], 8)).toBe(0);
    expect(device.queuePairs).toBe(4);
    for (const [port, pair] of [
      [1000, 2],
      [1001, 3],
      [1002, 1],
    ]) {
      transmit(driver, flow(port), { queue: 2 * pair + 1 });
      backend.guest.take(plainFrame([back(port)]));
      expect([pair, where().indexOf(1)]).toEqual([pair, pair]);
    }
    expect(command(driver, [4, 0, 1, 0], 8)).toBe(0);
    backend.guest.take(plainFrame([back(1000)]));
    expect(where()).toEqual([1, 0, 0, 0]);
  });
});

describe('the link of VirtioNet', () => {
  const status = (driver: MockDriver): number => driver.transport.readConfig(6, 2);

  it('is up while the cable is in and there is somebody, and asks the guest to tell who it is when it comes', () => {
    const { backend, device, driver } = setUp();
    expect(status(driver)).toBe(1);
    driver.write('InterruptACK', 3);
    device.link = false;
    expect([status(driver), driver.read('InterruptStatus')]).toEqual([0, 2]);
    transmit(driver, numberedFrame(1));
    expect([backend.frames.length, device.statistics.droppedFromGuest]).toEqual([0, 1]);
    backend.isUp = false;
    device.link = true;
    expect(status(driver)).toBe(0);
    backend.isUp = true;
    backend.guest.linkChanged(true);
    expect(status(driver)).toBe(3);
    expect(command(driver, [3, 0])).toBe(0);
    expect(status(driver)).toBe(1);
    expect(backend.links).toEqual([true, false, true]);
  });

  it('tells address, pairs, MTU and speed', () => {
    const { driver } = setUp({ queues: 3, mtu: 9000 });
    expect(Array.from({ length: 6 }, (_, i) => driver.transport.readConfig(i, 1))).toEqual([2, 0x48, 0x42, 0, 0, 11]);
    expect([driver.transport.readConfig(8, 2), driver.transport.readConfig(10, 2)]).toEqual([3, 9000]);
    expect([driver.transport.readConfig(12, 4), driver.transport.readConfig(16, 1)]).toEqual([10_000, 1]);
  });

  it.each([
    ['an address of a group', { mac: '03:00:00:00:00:01' }],
    ['half an address', { mac: '02:00:00' }],
    ['no queues', { queues: 0 }],
    ['too many queues', { queues: 17 }],
    ['an MTU that is too small', { mtu: 67 }],
    ['an MTU that is too large', { mtu: 65536 }],
  ])('cannot be made with %s', (_, options) => {
    expect(() => new VirtioNet({ mac: MAC, ...options })).toThrow(VmError);
  });
});

describe('a saved VirtioNet', () => {
  it('goes on with all that its driver has set, and tells its neighbours where it is now', async () => {
    const { driver } = setUp({ queues: 2 });
    const commands = [
      [0, 0, 0],
      [1, 1, ...MAC_B],
      [2, 0, 5, 0],
      [4, 0, 2, 0],
      [5, 0, 2, 0, 0, 0, 0, 0, 0, 0],
    ];
    for (const one of commands) expect(command(driver, one, 4)).toBe(0);
    await driver.transport.sleep();
    const saved = driver.transport.state.snapshot();

    const backend = new TestBackend();
    const device = new VirtioNet({ mac: MAC, queues: 2, backend });
    const other = MockDriver.for(device, driver.memory);
    other.transport.state.restore(saved);
    expect(backend.guest.take(plainFrame([numberedFrame(1)]))).toBe(false);
    other.transport.wake();
    expect(backend.resumed).toBe(1);
    expect([device.mac, device.queuePairs, other.transport.readConfig(6, 2)]).toEqual(['02:00:00:00:00:0b', 2, 3]);
    expect(backend.guest.accepts).toMatchObject({ checksum: true, tcp4: false });
    expect(backend.links).toEqual([true]);
    expect(() => MockDriver.for(new VirtioNet({ mac: MAC })).transport.state.restore(saved)).toThrow(VmError);
  });
});
