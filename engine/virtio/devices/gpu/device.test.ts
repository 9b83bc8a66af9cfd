import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { fencedGpuRequest, gpuRequest } from '../../../../test/support/gpu-requests';
import { TEST_RAM_BASE, testGuestMemory } from '../../../../test/support/guest-memory';
import { MockDriver } from '../../../../test/support/mock-driver';
import { type Rectangle, Scanout } from '../../../gpu/scanout';
import type { GuestMemory } from '../../../memory/guest-memory';
import { VIRTIO_F_VERSION_1 } from '../../features';
import { VirtioGpu } from './device';

const MiB = 2 ** 20;
/** Where the tests keep pixels: behind what the mock driver gives out. */
const PIXELS = TEST_RAM_BASE + 8 * MiB;
const PAGE = 4096;
const [DISPLAY_INFO, CREATE, UNREF, SET_SCANOUT, FLUSH, TRANSFER, ATTACH, DETACH] = [
  0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x106, 0x107,
];
const [EDID, CREATE_BLOB, SCANOUT_BLOB, UPDATE_CURSOR, MOVE_CURSOR] = [0x10a, 0x10c, 0x10d, 0x300, 0x301];
const [OK, OK_INFO, OK_EDID, UNSPEC, NO_MEMORY, NO_SCANOUT, NO_RESOURCE, BAD] = [
  0x1100, 0x1101, 0x1104, 0x1200, 0x1201, 0x1202, 0x1203, 0x1205,
];
const [F_EDID, F_BLOB] = [1, 3];
/** B8G8R8X8. */
const XRGB = 2;

function setUp({
  screens = 1,
  features = [F_EDID, F_BLOB, VIRTIO_F_VERSION_1],
  memoryBytes = 4 * MiB,
  memory = testGuestMemory(16 * MiB),
} = {}) {
  const scanouts = Array.from({ length: screens }, () => new Scanout({ width: 640, height: 480 }));
  const device = new VirtioGpu({ scanouts, memoryBytes });
  const driver = MockDriver.for(device, memory).start({ features });
  const send = async (request: Uint8Array, room = 24, queue = 0): Promise<DataView> => {
    const chain = driver.queues[queue].add({ readable: [request], writable: room > 0 ? [room] : [] });
    driver.queues[queue].kick(true);
    await driver.queues[queue].waitUsed();
    return new DataView(Uint8Array.from(driver.written(chain)).buffer);
  };
  const ask = async (type: number, ...words: number[]): Promise<number> => (await send(gpuRequest(type, ...words))).getUint32(0, true);
  return { device, driver, scanouts, screen: scanouts[0], memory, send, ask };
}

/** Of what is saved, what the tests change. */
interface SavedGpu {
  resources: { id: number; width: number; pixels: string }[];
  scanouts: { shown: { resource: number; part: { width: number }; layout: unknown }; cursor: { pixels: string } }[];
}

/** Words at a guest address. */
const store = (memory: GuestMemory, address: number, words: ArrayLike<number>): void =>
  memory.copyIn(address, new Uint8Array(Uint32Array.from(words).buffer));

function look(screen: Scanout, part?: Rectangle): number[] {
  const whole = part ?? { x: 0, y: 0, ...(screen.size ?? { width: 0, height: 0 }) };
  const target = new Uint32Array(whole.width * whole.height);
  screen.read(whole, target);
  return [...target];
}

function watch(screen: Scanout): unknown[] {
  const seen: unknown[] = [];
  screen.on('picture', () => seen.push('picture'));
  screen.on('damage', ({ x, y, width, height }) => seen.push([x, y, width, height]));
  screen.on('cursor', () => seen.push('cursor'));
  return seen;
}

/** le64 address, le32 length, le32 padding. */
const entry = (address: number, length: number): number[] => [address, 0, length, 0];
/** A picture's pixels as the guest has them, and as they are seen, R in the lowest byte. */
const guestWords = (count: number): number[] => Array.from({ length: count }, (_, i) => 0x00102030 + i * 0x010305);
const seenWord = (word: number): number => ((word & 0xff00) | ((word >>> 16) & 0xff) | ((word & 0xff) << 16) | 0xff000000) >>> 0;

describe('VirtioGpu', () => {
  it('shows a picture that is copied from scattered pages, and tells where it was drawn', async () => {
    const { screen, memory, ask } = setUp();
    const words = guestWords(64 * 48);
    const seen = watch(screen);
    // Three pages in any order: 12288 bytes of pixels.
    const pages = [PIXELS + 5 * PAGE, PIXELS, PIXELS + 2 * PAGE];
    for (const [i, page] of pages.entries()) store(memory, page, words.slice(i * 1024, (i + 1) * 1024));
    expect(await ask(CREATE, 7, XRGB, 64, 48)).toBe(OK);
    expect(await ask(ATTACH, 7, 3, ...pages.flatMap((page) => entry(page, PAGE)))).toBe(OK);
    expect(await ask(SET_SCANOUT, 0, 0, 64, 48, 0, 7)).toBe(OK);
    expect(screen.size).toEqual({ width: 64, height: 48 });
    // Nothing was copied yet.
    expect(look(screen).every((word) => word === 0xff000000)).toBe(true);
    expect(await ask(TRANSFER, 0, 0, 64, 48, 0, 0, 7, 0)).toBe(OK);
    expect(await ask(FLUSH, 0, 0, 64, 48, 7, 0)).toBe(OK);
    expect(look(screen)).toEqual(words.map(seenWord));
    expect(look(screen, { x: 3, y: 20, width: 2, height: 2 })).toEqual([1283, 1284, 1347, 1348].map((i) => seenWord(words[i])));
    expect(seen).toEqual(['picture', [0, 0, 64, 48]]);
  });

  it('copies a part, which lies anywhere in its pages', async () => {
    const { screen, memory, ask } = setUp();
    const words = guestWords(16 * 16);
    store(memory, PIXELS + 100, words);
    await ask(CREATE, 1, XRGB, 16, 16);
    // Pieces of odd lengths, one of them empty, neighbours among them.
    const lengths = [100, 0, 12, 1, 911];
    const entries = lengths.flatMap((length, i) => entry(PIXELS + 100 + lengths.slice(0, i).reduce((sum, one) => sum + one, 0), length));
    expect(await ask(ATTACH, 1, lengths.length, ...entries)).toBe(OK);
    await ask(SET_SCANOUT, 0, 0, 16, 16, 0, 1);
    expect(await ask(TRANSFER, 4, 8, 3, 2, (8 * 16 + 4) * 4, 0, 1, 0)).toBe(OK);
    const black = words.map(() => 0xff000000);
    for (const i of [132, 133, 134, 148, 149, 150]) black[i] = seenWord(words[i]);
    expect(look(screen)).toEqual(black);
    // The last row that is there, and one that is not.
    expect(await ask(TRANSFER, 0, 15, 16, 1, 960, 0, 1, 0)).toBe(OK);
    expect(await ask(TRANSFER, 0, 15, 16, 1, 964, 0, 1, 0)).toBe(BAD);
    expect(await ask(TRANSFER, 0, 0, 16, 1, 0, 1, 1, 0)).toBe(BAD);
  });

  it.each([
    [1, [3, 2, 1, 99]],
    [2, [3, 2, 1, 99]],
    [3, [99, 1, 2, 3]],
    [4, [99, 1, 2, 3]],
    [67, [1, 2, 3, 99]],
    [68, [99, 3, 2, 1]],
    [121, [99, 3, 2, 1]],
    [134, [1, 2, 3, 99]],
  ])('knows format %i', async (format, bytes) => {
    const { screen, memory, ask } = setUp();
    memory.copyIn(PIXELS, Uint8Array.from(bytes));
    expect(await ask(CREATE, 1, format, 1, 1)).toBe(OK);
    await ask(ATTACH, 1, 1, ...entry(PIXELS, 4));
    await ask(TRANSFER, 0, 0, 1, 1, 0, 0, 1, 0);
    await ask(SET_SCANOUT, 0, 0, 1, 1, 0, 1);
    expect(look(screen)).toEqual([0xff030201]);
    // The same as a blob.
    expect(await ask(CREATE_BLOB, 2, 1, 0, 1, 0, 0, 4096, 0, ...entry(PIXELS, PAGE))).toBe(OK);
    expect(await ask(SCANOUT_BLOB, 0, 0, 1, 1, 0, 2, 1, 1, format, 0, 4, 0, 0, 0, 0, 0, 0, 0)).toBe(OK);
    expect(look(screen)).toEqual([0xff030201]);
  });

  it("shows a part of a blob, which is the guest's memory itself", async () => {
    const { screen, memory, ask } = setUp();
    const words = guestWords(1024);
    store(memory, PIXELS, words);
    expect(await ask(CREATE_BLOB, 9, 1, 0, 1, 0, 0, PAGE, 0, ...entry(PIXELS, PAGE))).toBe(OK);
    // 20×10 pixels in rows of 100 bytes, 16 bytes on; of which 5×4 from (2, 3).
    expect(await ask(SCANOUT_BLOB, 2, 3, 5, 4, 0, 9, 20, 10, XRGB, 0, 100, 0, 0, 0, 16, 0, 0, 0)).toBe(OK);
    const at = (x: number, y: number): number => 4 + (y + 3) * 25 + x + 2;
    const expected = [0, 1, 2, 3].flatMap((y) => [0, 1, 2, 3, 4].map((x) => seenWord(words[at(x, y)])));
    expect(look(screen)).toEqual(expected);
    store(memory, PIXELS + 4 * at(1, 0), [0x00ff0000]);
    const seen = watch(screen);
    expect(await ask(TRANSFER, 0, 0, 1, 1, 0, 0, 9, 0)).toBe(OK);
    expect(await ask(FLUSH, 3, 0, 100, 100, 9, 0)).toBe(OK);
    expect(seen).toEqual([[1, 0, 4, 4]]);
    expect(look(screen)[1]).toBe(0xff0000ff);
    // Without its pages it is black.
    expect(await ask(DETACH, 9, 0)).toBe(OK);
    expect(new Set(look(screen))).toEqual(new Set([0xff000000]));
  });

  it('refuses what cannot be, with the answer that fits, and goes on', async () => {
    const { device, ask } = setUp();
    const refusals: [number, number[]][] = [
      [NO_RESOURCE, [CREATE, 0, XRGB, 8, 8]],
      [BAD, [CREATE, 1, 5, 8, 8]],
      [BAD, [CREATE, 1, XRGB, 0, 8]],
      [BAD, [CREATE, 1, XRGB, 8, 16385]],
      [BAD, [CREATE, 1, XRGB, 0xffffffff, 0xffffffff]],
      [NO_MEMORY, [CREATE, 1, XRGB, 1024, 1025]],
      [NO_RESOURCE, [UNREF, 1, 0]],
      [NO_RESOURCE, [FLUSH, 0, 0, 1, 1, 1, 0]],
      [NO_RESOURCE, [TRANSFER, 0, 0, 1, 1, 0, 0, 1, 0]],
      [NO_RESOURCE, [ATTACH, 1, 0]],
      [NO_RESOURCE, [DETACH, 1, 0]],
      [NO_RESOURCE, [SET_SCANOUT, 0, 0, 1, 1, 0, 1]],
      [NO_SCANOUT, [SET_SCANOUT, 0, 0, 1, 1, 1, 0]],
      [NO_SCANOUT, [EDID, 1, 0]],
      [UNSPEC, [0x108, 0, 0]],
      [UNSPEC, [0x10b, 0, 0]],
      [UNSPEC, [0x200, 0, 0]],
      [UNSPEC, [0xffffffff]],
      [UNSPEC, [CREATE_BLOB, 1, 2, 0, 0, 0, 0, PAGE, 0]],
      [BAD, [CREATE_BLOB, 1, 1, 0, 0, 0, 0, 0, 0]],
      [BAD, [CREATE_BLOB, 1, 1, 0, 2, 0, 0, PAGE, 0, ...entry(PIXELS, PAGE)]],
      [BAD, [CREATE_BLOB, 1, 1, 0, 1, 0, 0, PAGE, 0, ...entry(0x1000_0000, PAGE)]],
      [BAD, [CREATE_BLOB, 1, 1, 0, 0xffffffff, 0, 0, PAGE, 0]],
    ];
    for (const [answer, [type, ...words]] of refusals)
      expect(await ask(type, ...words), `request 0x${type.toString(16)} ${words.join(' ')}`).toBe(answer);
    expect(await ask(CREATE, 1, XRGB, 1024, 1024)).toBe(OK);
    expect(device.memoryUse).toBe(4 * MiB);
    expect(await ask(CREATE, 1, XRGB, 1, 1)).toBe(NO_RESOURCE);
    expect(await ask(CREATE, 2, XRGB, 1, 1)).toBe(NO_MEMORY);
    expect(await ask(TRANSFER, 0, 0, 1, 1, 0, 0, 1, 0)).toBe(UNSPEC);
    expect(await ask(ATTACH, 1, 1, ...entry(PIXELS, 4096))).toBe(OK);
    expect(await ask(ATTACH, 1, 1, ...entry(PIXELS, 4096))).toBe(UNSPEC);
    expect(await ask(TRANSFER, 0, 0, 1024, 1024, 0, 0, 1, 0)).toBe(BAD);
    expect(await ask(TRANSFER, 1023, 0, 2, 1, 0, 0, 1, 0)).toBe(BAD);
    expect(await ask(SET_SCANOUT, 1, 0, 1024, 1024, 0, 1)).toBe(BAD);
    expect(await ask(SCANOUT_BLOB, 0, 0, 8, 8, 0, 1, 8, 8, XRGB, 0, 32, 0, 0, 0, 0, 0, 0, 0)).toBe(BAD);
    expect(await ask(CREATE_BLOB, 3, 1, 0, 0, 0, 0, PAGE, 0)).toBe(OK);
    expect(await ask(SET_SCANOUT, 0, 0, 8, 8, 0, 3)).toBe(BAD);
    for (const [width, stride, offset] of [
      [8, 31, 0],
      [32, 128, 4],
      [32, 0xffffffff, 0],
      [0, 0, 0],
    ])
      expect(await ask(SCANOUT_BLOB, 0, 0, width, 32, 0, 3, width, 32, XRGB, 0, stride, 0, 0, 0, offset, 0, 0, 0)).toBe(BAD);
    expect(await ask(UNREF, 1, 0)).toBe(OK);
    expect(device.memoryUse).toBe(0);
    expect(device.status.kind).toBe('Running');
  });

  it('shows no picture that is too large for who looks, however little of it the guest has', async () => {
    const { screen, ask } = setUp({ memoryBytes: 128 * MiB });
    // 1 TiB without a page.
    expect(await ask(CREATE_BLOB, 1, 1, 0, 0, 0, 0, 0, 0x100)).toBe(OK);
    const show = (width: number, height: number): Promise<number> =>
      ask(SCANOUT_BLOB, 0, 0, width, height, 0, 1, width, height, XRGB, 0, 4 * width, 0, 0, 0, 0, 0, 0, 0);
    for (const [width, height] of [
      [200_000, 200_000],
      [4096, 4097],
      [8193, 1],
      [1, 8193],
      [0x3fff_ffff, 1],
    ])
      expect(await show(width, height), `${width} × ${height}`).toBe(BAD);
    expect(screen.size).toBeUndefined();
    expect(await show(4096, 4096)).toBe(OK);
    // Of a picture that is larger, a part.
    expect(await ask(CREATE, 2, XRGB, 8192, 4096)).toBe(OK);
    expect(await ask(SET_SCANOUT, 0, 0, 8192, 4096, 0, 2)).toBe(BAD);
    expect(await ask(SET_SCANOUT, 4096, 0, 4096, 4096, 0, 2)).toBe(OK);
    expect(screen.size).toEqual({ width: 4096, height: 4096 });
  });

  it('bounds how many resources and pieces of memory there are', async () => {
    const { ask, send } = setUp();
    const attach = async (id: number): Promise<number> => {
      const request = new Uint8Array(32 + 16 * 60_000);
      request.set(gpuRequest(ATTACH, id, 60_000));
      for (let i = 0; i < 60_000; i++) request.set([0, 0, 0x80, 0x80, 0, 0, 0, 0, 1], 32 + 16 * i);
      return (await send(request)).getUint32(0, true);
    };
    for (let id = 1; id <= 4; id++) {
      await ask(CREATE, id, XRGB, 1, 1);
      expect(await attach(id)).toBe(OK);
    }
    await ask(CREATE, 5, XRGB, 1, 1);
    expect(await attach(5)).toBe(NO_MEMORY);
    expect(await ask(DETACH, 1, 0)).toBe(OK);
    expect(await attach(5)).toBe(OK);
    let made = 5;
    while ((await ask(CREATE_BLOB, made + 1, 1, 0, 0, 0, 0, PAGE, 0)) === OK) made++;
    expect(made).toBe(4096);
  });

  it('serves others too while a driver copies as fast as it can', async () => {
    const { driver, ask } = setUp();
    await ask(CREATE, 1, XRGB, 1024, 1024);
    await ask(CREATE_BLOB, 2, 1, 0, 0, 0, 0, PAGE, 0);
    await ask(ATTACH, 1, 1, ...entry(PIXELS, 4 * MiB));
    const [control] = driver.queues;
    for (let i = 0; i < 40; i++) control.add({ readable: [gpuRequest(TRANSFER, 0, 0, 1024, 1024, 0, 0, 1, 0)], writable: [24] });
    control.kick(true);
    // 160 MiB are not copied in one turn.
    const first = control.takeUsed().length;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(10);
    await control.waitUsed(40 - first);
  });

  it('counts pieces of memory too, of which a picture may be thousands', async () => {
    const { driver, ask, send } = setUp();
    await ask(CREATE, 1, XRGB, 32, 32);
    const pieces = 32 * 32 * 4;
    const list = Array.from({ length: pieces }, (_, i) => entry(PIXELS + 2 * i, 1)).flat();
    expect((await send(gpuRequest(ATTACH, 1, pieces, ...list))).getUint32(0, true)).toBe(OK);
    const [control] = driver.queues;
    for (let i = 0; i < 40; i++) control.add({ readable: [gpuRequest(TRANSFER, 0, 0, 32, 32, 0, 0, 1, 0)], writable: [24] });
    control.kick(true);
    // 160 KiB, of 160,000 pieces.
    const first = control.takeUsed().length;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(4);
    await control.waitUsed(40 - first);
  });

  it('says which fence a request had when it is done', async () => {
    const { send } = setUp();
    const answer = await send(fencedGpuRequest({ type: CREATE, flags: 3, fence: 0x1_2345_6789, context: 5, ring: 6 }, 1, XRGB, 8, 8));
    expect([0, 4, 8, 12, 16].map((at) => answer.getUint32(at, true))).toEqual([OK, 3, 0x2345_6789, 1, 5]);
    expect(answer.getUint8(20)).toBe(6);
    const plain = await send(fencedGpuRequest({ type: CREATE, fence: 9, context: 5 }, 1, XRGB, 8, 8));
    expect([0, 4, 8, 12, 16].map((at) => plain.getUint32(at, true))).toEqual([NO_RESOURCE, 0, 0, 0, 0]);
  });

  it('tells of the modes that are wanted, and when they change', async () => {
    const { device, driver, scanouts, send } = setUp({ screens: 3 });
    expect(device.readConfig(8, 4)).toBe(3);
    scanouts[1].want({ width: 1921, height: 1081, refresh: 75, density: 192 });
    expect(driver.read('InterruptStatus') & 2).toBe(2);
    expect(device.readConfig(0, 4)).toBe(1);
    device.writeConfig(4, 4, 1);
    expect(device.readConfig(0, 4)).toBe(0);
    // As it is already.
    scanouts[1].want({ width: 1921, height: 1081 });
    expect(device.readConfig(0, 4)).toBe(0);
    const info = await send(gpuRequest(DISPLAY_INFO), 24 + 16 * 24);
    expect(info.getUint32(0, true)).toBe(OK_INFO);
    const infos = Array.from({ length: 16 }, (_, i) => [0, 1, 2, 3, 4, 5].map((word) => info.getUint32(24 + 24 * i + 4 * word, true)));
    expect(infos.slice(0, 4)).toEqual([
      [0, 0, 640, 480, 1, 0],
      [640, 0, 1921, 1081, 1, 0],
      [2561, 0, 640, 480, 1, 0],
      [0, 0, 0, 0, 0, 0],
    ]);
    const answer = await send(gpuRequest(EDID, 1, 0), 24 + 8 + 1024);
    expect(answer.getUint32(0, true)).toBe(OK_EDID);
    expect(answer.getUint32(24, true)).toBe(128);
    expect(answer.getUint8(32 + 56) | ((answer.getUint8(32 + 58) >> 4) << 8)).toBe(1921);
  });

  it('tells once more of a mode whose event the driver has cleared with the one before', async () => {
    const { device, scanouts, send } = setUp({ screens: 2 });
    const edid = (index: number) => send(gpuRequest(EDID, index, 0), 24 + 8 + 1024);
    scanouts[0].want({ width: 800, height: 600 });
    for (const index of [0, 1]) await edid(index);
    await send(gpuRequest(DISPLAY_INFO), 24 + 16 * 24);
    scanouts[1].want({ width: 1000, height: 700 });
    device.writeConfig(4, 4, 1);
    expect(device.readConfig(0, 4)).toBe(1);
    // One that does not ask is not told for ever.
    device.writeConfig(4, 4, 1);
    expect(device.readConfig(0, 4)).toBe(0);
    await edid(1);
    // Of its modes one is old by now.
    scanouts[1].want({ width: 900, height: 700 });
    await send(gpuRequest(DISPLAY_INFO), 24 + 16 * 24);
    device.writeConfig(4, 4, 1);
    expect(device.readConfig(0, 4)).toBe(1);
    await edid(1);
    device.writeConfig(4, 4, 1);
    expect(device.readConfig(0, 4)).toBe(0);
  });

  it("hands on the pointer's picture, where it points and where it is", async () => {
    const { screen, memory, send, ask } = setUp();
    const seen = watch(screen);
    // Half transparent, premultiplied: B, G, R, A.
    store(
      memory,
      PIXELS,
      Array.from({ length: 4096 }, (_, i) => (i === 65 ? 0x80402010 : 0)),
    );
    await ask(CREATE, 1, 1, 64, 64);
    await ask(ATTACH, 1, 1, ...entry(PIXELS, 16384));
    await ask(TRANSFER, 0, 0, 64, 64, 0, 0, 1, 0);
    // Linux leaves no room for an answer.
    await send(gpuRequest(UPDATE_CURSOR, 0, 100, 0xfffffffe, 0, 1, 3, 4, 0), 0, 1);
    expect(screen.cursor).toMatchObject({ width: 64, height: 64, hotX: 3, hotY: 4 });
    expect(screen.cursorAt).toEqual({ x: 100, y: -2 });
    expect([...screen.cursor!.pixels.subarray(260, 264)]).toEqual([128, 64, 32, 128]);
    const before = screen.cursor;
    await send(gpuRequest(MOVE_CURSOR, 0, 101, 5, 0, 0, 0, 0, 0), 0, 1);
    expect(screen.cursorAt).toEqual({ x: 101, y: 5 });
    expect(screen.cursor).toBe(before);
    // Of a blob.
    await ask(CREATE_BLOB, 2, 1, 0, 1, 0, 0, 16384, 0, ...entry(PIXELS, 16384));
    await send(gpuRequest(UPDATE_CURSOR, 0, 1, 1, 0, 2, 0xffffffff, 70_000, 0), 0, 1);
    // It points with one of its pixels.
    expect(screen.cursor).toMatchObject({ hotX: 63, hotY: 63 });
    expect([...screen.cursor!.pixels.subarray(260, 264)]).toEqual([128, 64, 32, 128]);
    await send(gpuRequest(UPDATE_CURSOR, 0, 1, 1, 0, 0, 0, 0, 0), 0, 1);
    expect(screen.cursor).toBeUndefined();
    expect(seen).toEqual(['cursor', 'cursor', 'cursor', 'cursor']);
    const answers = [
      gpuRequest(UPDATE_CURSOR, 7, 1, 1, 0, 1, 0, 0, 0),
      gpuRequest(UPDATE_CURSOR, 0, 1, 1, 0, 8, 0, 0, 0),
      gpuRequest(CREATE, 9, 1, 1, 1),
    ];
    const types = [];
    for (const request of answers) types.push((await send(request, 24, 1)).getUint32(0, true));
    expect(types).toEqual([NO_SCANOUT, NO_RESOURCE, UNSPEC]);
  });

  it('shows nothing any more when its driver is gone, or the resource', async () => {
    const { device, driver, screen, ask } = setUp();
    const show = async (): Promise<void> => {
      await ask(CREATE, 1, XRGB, 8, 8);
      await ask(SET_SCANOUT, 0, 0, 8, 8, 0, 1);
      expect(screen.size).toEqual({ width: 8, height: 8 });
    };
    await show();
    await ask(SET_SCANOUT, 0, 0, 0, 0, 0, 0);
    expect(screen.size).toBeUndefined();
    await ask(UNREF, 1, 0);
    await show();
    await ask(UNREF, 1, 0);
    expect(screen.size).toBeUndefined();
    await show();
    driver.write('Status', 0);
    expect(screen.size).toBeUndefined();
    expect(device.memoryUse).toBe(0);
  });

  it('offers no blobs to drivers that do not ask for them', async () => {
    const { ask } = setUp({ features: [VIRTIO_F_VERSION_1] });
    expect(await ask(CREATE_BLOB, 1, 1, 0, 0, 0, 0, PAGE, 0)).toBe(UNSPEC);
    const device = new VirtioGpu({ scanouts: [new Scanout({ width: 64, height: 64 })], blobs: false });
    expect([...device.offeredFeatures]).toEqual([F_EDID]);
    expect(() => new VirtioGpu({ scanouts: [] })).toThrow('1 to 4 scanouts');
  });

  it('waits to be reset after a request without a header', async () => {
    const { device, driver } = setUp();
    const warned = vi.fn();
    device.on('warning', warned);
    driver.queues[0].add({ readable: [new Uint8Array(23)], writable: [24] });
    driver.queues[0].kick(true);
    expect(device.status).toEqual({ kind: 'Error', message: expect.stringContaining('has 23 bytes; it needs 24') });
    expect(warned).toHaveBeenCalledOnce();
  });

  it('shows in another machine what it showed, with resources and pointer', async () => {
    const first = setUp({ screens: 2 });
    const words = guestWords(64);
    store(first.memory, PIXELS, words);
    await first.ask(CREATE, 1, XRGB, 8, 8);
    await first.ask(ATTACH, 1, 1, ...entry(PIXELS, 256));
    await first.ask(TRANSFER, 0, 0, 8, 8, 0, 0, 1, 0);
    await first.ask(SET_SCANOUT, 2, 0, 4, 8, 0, 1);
    await first.ask(CREATE_BLOB, 2, 1, 0, 1, 0, 0, PAGE, 0, ...entry(PIXELS, PAGE));
    await first.ask(SCANOUT_BLOB, 0, 0, 8, 8, 1, 2, 8, 8, XRGB, 0, 32, 0, 0, 0, 0, 0, 0, 0);
    await first.send(gpuRequest(UPDATE_CURSOR, 1, 4, 5, 0, 1, 1, 2, 0), 0, 1);
    await first.driver.transport.sleep();
    const saved: unknown = JSON.parse(JSON.stringify(first.driver.transport.state.snapshot()));

    const memory = testGuestMemory(16 * MiB);
    memory.bytes.set(first.memory.bytes);
    const scanouts = [1, 2].map(() => new Scanout({ width: 640, height: 480 }));
    const device = new VirtioGpu({ scanouts, memoryBytes: 4 * MiB });
    const driver = MockDriver.for(device, memory);
    driver.transport.state.restore(saved);
    driver.transport.wake();
    expect(scanouts.map((scanout) => look(scanout))).toEqual(first.scanouts.map((scanout) => look(scanout)));
    expect(look(scanouts[1])).toEqual(words.map(seenWord));
    expect(scanouts[1].cursor).toEqual(first.scanouts[1].cursor);
    expect(scanouts[1].cursorAt).toEqual({ x: 4, y: 5 });
    expect(device.memoryUse).toBe(256);
    // Its blob still is the guest's memory.
    store(memory, PIXELS, [0]);
    expect(look(scanouts[1])[0]).toBe(0xff000000);

    const refused = (change: (state: SavedGpu) => void): void => {
      const other = JSON.parse(JSON.stringify(saved)) as { state: { device: { state: SavedGpu } } };
      change(other.state.device.state);
      const fresh = MockDriver.for(
        new VirtioGpu({ scanouts: [1, 2].map(() => new Scanout({ width: 64, height: 64 })), memoryBytes: 4 * MiB }),
        testGuestMemory(16 * MiB),
      );
      expect(() => fresh.transport.state.restore(other)).toThrow(/cannot be used here/);
    };
    refused((state) => state.scanouts.pop());
    refused((state) => (state.scanouts[0].shown.resource = 3));
    refused((state) => (state.scanouts[0].shown.part.width = 9));
    refused((state) => (state.scanouts[1].shown.layout = null));
    refused((state) => (state.scanouts[1].cursor.pixels = 'AAAA'));
    refused((state) => (state.resources[0].pixels = 'AAAA'));
    refused((state) => (state.resources[0].width = 16384));
    refused((state) => (state.resources[1].id = 1));
  });

  it('leaves its screens to firmware until a driver shows something, and keeps them dark where that does; so does a restored one', async () => {
    const firmware = { width: 100, height: 100, readRow: () => undefined };
    const first = setUp();
    first.screen.showBoot(firmware);
    await first.ask(SET_SCANOUT, 0, 0, 0, 0, 0, 0);
    expect(first.screen.size?.width).toBe(100);
    await first.ask(CREATE, 1, XRGB, 8, 8);
    await first.ask(SET_SCANOUT, 0, 0, 8, 8, 0, 1);
    expect(first.screen.size?.width).toBe(8);
    await first.ask(SET_SCANOUT, 0, 0, 0, 0, 0, 0);
    expect(first.screen.size).toBeUndefined();
    await first.driver.transport.sleep();
    const saved: unknown = JSON.parse(JSON.stringify(first.driver.transport.state.snapshot()));
    const scanout = new Scanout({ width: 640, height: 480 });
    scanout.showBoot(firmware);
    const { transport } = MockDriver.for(new VirtioGpu({ scanouts: [scanout] }), testGuestMemory(16 * MiB));
    transport.state.restore(saved);
    transport.wake();
    expect(scanout.size).toBeUndefined();
    transport.reset();
    expect(scanout.size?.width).toBe(100);
  });

  it('never takes more memory than it may, whatever a driver asks for', async () => {
    const small = fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: 0, max: 9 }) },
      fc.constantFrom(16, 64, 4096, 16384, 2 ** 31, 2 ** 32 - 1),
    );
    const type = fc.oneof(
      fc.constantFrom(CREATE, ATTACH, SET_SCANOUT, TRANSFER, FLUSH, CREATE_BLOB, SCANOUT_BLOB, UNREF, DETACH, EDID),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    );
    const request = fc.record({
      type,
      words: fc.array(small, { maxLength: 22 }),
      cursor: fc.boolean(),
      room: fc.constantFrom(0, 1, 24, 2000),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 20, maxLength: 80 }), async (requests) => {
        const { device, driver, scanouts } = setUp({ screens: 2, memoryBytes: MiB });
        for (const scanout of scanouts) scanout.on('damage', (part) => look(scanout, part));
        for (const { type: number, words, cursor, room } of requests) {
          const queue = driver.queues[cursor ? 1 : 0];
          // Lists of memory begin at guest addresses.
          const at = number === CREATE_BLOB ? 8 : number === ATTACH ? 2 : 22;
          const all = words.map((word, i) => (i >= at && (i - at) % 4 === 0 ? PIXELS + word : i >= at && (i - at) % 4 === 1 ? 0 : word));
          queue.add({
            readable: [gpuRequest(cursor && number < 0x300 ? UPDATE_CURSOR : number, ...all)],
            writable: room > 0 ? [room] : [],
          });
          queue.kick(true);
          await queue.waitUsed();
          expect(device.memoryUse).toBeLessThanOrEqual(MiB);
        }
        expect(device.status.kind).toBe('Running');
        for (const scanout of scanouts) if (scanout.size && scanout.size.width * scanout.size.height < 1e6) look(scanout);
      }),
      { numRuns: 60 },
    );
  });
});
