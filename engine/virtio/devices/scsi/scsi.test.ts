import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { MockDriver } from '../../../../test/support/mock-driver';
import { RamDisk } from '../../../backend/disk/ram';
import { DeviceError, type VmError } from '../../../errors/vm-error';
import { CONTROL_QUEUE, EVENT_QUEUE, FIRST_REQUEST_QUEUE, VirtioScsi } from './device';
import type { LogicalUnitOptions } from './logical-unit';
import { SENSE, type Sense } from './sense';

const SIZE = 1 << 20;
const CDB_SIZE = 32;
const SENSE_SIZE = 96;

interface Answer {
  status: number;
  response: number;
  residual: number;
  sense: Sense | undefined;
  data: Uint8Array;
}

/** A driver of an adapter, which speaks SCSI. */
class Initiator {
  readonly driver: MockDriver;

  constructor(readonly scsi: VirtioScsi) {
    this.driver = MockDriver.for(scsi).start();
  }

  /** With a unit whose power-on attention has been taken already. */
  static async with(options: LogicalUnitOptions): Promise<Initiator> {
    const scsi = new VirtioScsi();
    scsi.attach(options);
    const initiator = new Initiator(scsi);
    expect((await initiator.command('00 00 00 00 00 00')).sense).toEqual(SENSE.powerOn);
    return initiator;
  }

  header(cdb: string | number[], address = [1, 0, 0x40, 0], id = 1): Uint8Array {
    const bytes = new Uint8Array(19 + CDB_SIZE);
    bytes.set(address);
    bytes[8] = id;
    bytes.set(typeof cdb === 'string' ? cdb.split(' ').map((byte) => Number.parseInt(byte, 16)) : cdb, 19);
    return bytes;
  }

  async command(
    cdb: string | number[],
    { into = 0, out, address, id }: { into?: number; out?: Uint8Array; address?: number[]; id?: number } = {},
  ): Promise<Answer> {
    const queue = this.driver.queues[FIRST_REQUEST_QUEUE];
    const readable = [this.header(cdb, address, id), ...(out ? [out] : [])];
    const chain = queue.add({ readable, writable: [12 + SENSE_SIZE, ...(into > 0 ? [into] : [])] });
    queue.kick();
    await queue.waitUsed();
    const bytes = this.driver.written(chain);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const senseLength = view.getUint32(0, true);
    const at = 12;
    return {
      status: bytes[10],
      response: bytes[11],
      residual: view.getUint32(4, true),
      sense: senseLength > 0 ? { key: bytes[at + 2] & 0xf, code: bytes[at + 12], qualifier: bytes[at + 13] } : undefined,
      data: new Uint8Array(bytes.subarray(12 + SENSE_SIZE)),
    };
  }

  async control(fields: Uint8Array, answer = 1): Promise<Uint8Array> {
    const queue = this.driver.queues[CONTROL_QUEUE];
    const chain = queue.add({ readable: [fields], writable: [answer] });
    queue.kick();
    await queue.waitUsed();
    return this.driver.written(chain);
  }

  manage(subtype: number, { target = 0, lun = 0, id = 0 } = {}): Promise<Uint8Array> {
    return this.control(Uint8Array.of(0, 0, 0, 0, subtype, 0, 0, 0, 1, target, 0x40, lun, 0, 0, 0, 0, id, 0, 0, 0, 0, 0, 0, 0));
  }

  listen(count = 4) {
    const queue = this.driver.queues[EVENT_QUEUE];
    const chains = Array.from({ length: count }, () => queue.add({ writable: [16] }));
    queue.kick(true);
    return async (): Promise<{ event: number; target: number; lun: number; reason: number }> => {
      const [{ id }] = await queue.waitUsed();
      const bytes = this.driver.written(chains.find((chain) => chain.id === id)!);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      return { event: view.getUint32(0, true), target: bytes[5], lun: view.getUint16(6), reason: view.getUint32(12, true) };
    };
  }
}

const GOOD = { status: 0, response: 0, sense: undefined };
const refused = (sense: Sense): object => ({ status: 2, response: 0, sense });
const disk = (options: LogicalUnitOptions = {}): Promise<Initiator> => Initiator.with({ medium: new RamDisk(SIZE), ...options });
const cdrom = (bytes = SIZE): Promise<Initiator> => Initiator.with({ kind: 'cdrom', medium: new RamDisk(bytes) });
const pattern = (length: number, seed = 1): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 13 + seed) & 0xff);
const be = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * (bytes - 1 - i))) % 256);
const text = (bytes: Uint8Array, from: number, to: number): string => Buffer.from(bytes.subarray(from, to)).toString('latin1').trimEnd();

const forms = {
  6: (opcode: number, block: number, count: number) => [opcode, ...be(block, 3), count % 256, 0],
  10: (opcode: number, block: number, count: number) => [opcode, 0, ...be(block, 4), 0, ...be(count, 2), 0],
  12: (opcode: number, block: number, count: number) => [opcode, 0, ...be(block, 4), ...be(count, 4), 0, 0],
  16: (opcode: number, block: number, count: number) => [opcode, 0, ...be(block, 8), ...be(count, 4), 0, 0],
};
const READ = { 6: 0x08, 10: 0x28, 12: 0xa8, 16: 0x88 };
const WRITE = { 6: 0x0a, 10: 0x2a, 12: 0xaa, 16: 0x8a };

describe('a SCSI disk', () => {
  it.each([6, 10, 12, 16] as const)('reads and writes with the %i-byte forms', async (form) => {
    const initiator = await disk();
    const data = pattern(4096);
    expect(await initiator.command(forms[form](WRITE[form], 7, 8), { out: data })).toMatchObject({ ...GOOD, residual: 0 });
    const read = await initiator.command(forms[form](READ[form], 7, 8), { into: 4096 });
    expect(read).toMatchObject({ ...GOOD, residual: 0 });
    expect(Buffer.compare(read.data, data)).toBe(0);
  });

  it('answers like an array of blocks would', async () => {
    const initiator = await disk({ blockSize: 4096 });
    const blocks = SIZE / 4096;
    const model = new Uint8Array(SIZE);
    const step = fc.record({
      write: fc.boolean(),
      form: fc.constantFrom(6 as const, 10 as const, 12 as const, 16 as const),
      block: fc.nat(blocks + 2),
      count: fc.integer({ min: 1, max: 4 }),
      seed: fc.nat(255),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        initiator.driver.start();
        await initiator.command('00 00 00 00 00 00');
        for (const { write, form, block, count, seed } of steps) {
          const data = pattern(count * 4096, seed);
          const cdb = forms[form]((write ? WRITE : READ)[form], block, count);
          const answer = await initiator.command(cdb, write ? { out: data } : { into: data.length });
          if (block + count > blocks) {
            expect(answer).toMatchObject(refused(SENSE.addressOutOfRange));
            expect(answer.residual).toBe(data.length);
          } else {
            expect(answer).toMatchObject(GOOD);
            if (write) model.set(data, block * 4096);
            else expect(Buffer.compare(answer.data, model.subarray(block * 4096, block * 4096 + data.length))).toBe(0);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('tells who it is', async () => {
    const initiator = await disk({ serial: 'S-1' });
    const { data, residual } = await initiator.command('12 00 00 00 ff 00', { into: 255 });
    expect([data[0], data[1], data[2], data[3], data[4]]).toEqual([0, 0, 6, 0x12, 31]);
    expect([text(data, 8, 16), text(data, 16, 32)]).toEqual(['HARTBOX', 'Disk']);
    expect(residual).toBe(255 - 36);
    const page = async (code: number): Promise<number[]> => {
      const { data } = await initiator.command([0x12, 1, code, 0, 255, 0], { into: 255 });
      expect([data[0], data[1]]).toEqual([0, code]);
      return [...data.subarray(4, 4 + data[2] * 256 + data[3])];
    };
    expect(await page(0)).toEqual([0, 0x80, 0x83, 0xb0, 0xb1, 0xb2]);
    expect(Buffer.from(await page(0x80)).toString()).toBe('S-1');
    expect(Buffer.from(await page(0x83)).toString('latin1', 4)).toBe('HARTBOX Disk            S-1');
    const limits = await page(0xb0);
    expect(limits).toHaveLength(60);
    expect(limits.slice(16, 20)).toEqual(be(2 ** 31 / 512, 4));
    expect((await page(0xb1))[1]).toBe(1);
    expect(await page(0xb2)).toEqual([0, 0xe0, 2, 0]);
    expect(await initiator.command('12 01 55 00 ff 00', { into: 255 })).toMatchObject(refused(SENSE.invalidFieldInCommand));
    expect(await initiator.command('12 00 80 00 ff 00', { into: 255 })).toMatchObject(refused(SENSE.invalidFieldInCommand));
  });

  it('tells its capacity, cut to 32 bits where that is asked for', async () => {
    const initiator = await disk();
    expect([...(await initiator.command('25 00 00 00 00 00 00 00 00 00', { into: 8 })).data]).toEqual([...be(2047, 4), ...be(512, 4)]);
    const long = await initiator.command('9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00', { into: 32 });
    expect([...long.data.subarray(0, 15)]).toEqual([...be(2047, 8), ...be(512, 4), 0, 3, 0x80]);
    const huge = await Initiator.with({ medium: new RamDisk(2 ** 42) });
    expect([...(await huge.command('25 00 00 00 00 00 00 00 00 00', { into: 8 })).data]).toEqual([...be(0xffffffff, 4), ...be(512, 4)]);
    const last = await huge.command(forms[16](READ[16], 2 ** 33 - 1, 1), { into: 512 });
    expect(last).toMatchObject(GOOD);
  });

  it('does only what its descriptor block says', async () => {
    const initiator = await disk();
    expect(await initiator.command('c1 00 00 00 00 00')).toMatchObject(refused(SENSE.invalidOperationCode));
    // PERSISTENT RESERVE IN and OUT: there is only one initiator.
    expect(await initiator.command('5e 00 00 00 00 00 00 00 08 00', { into: 8 })).toMatchObject(refused(SENSE.invalidOperationCode));
    expect(await initiator.command('5f 00 00 00 00 00 00 00 18 00', { out: pattern(24) })).toMatchObject(
      refused(SENSE.invalidOperationCode),
    );
    // Protection information.
    expect(await initiator.command('28 20 00 00 00 00 00 00 01 00', { into: 512 })).toMatchObject(refused(SENSE.invalidFieldInCommand));
    expect(await initiator.command('28 00 00 00 00 00 00 00 02 00', { into: 512 })).toMatchObject({
      status: 0,
      response: 1,
      residual: 512,
    });
    expect(await initiator.command('2a 00 00 00 00 00 00 00 02 00', { out: pattern(512) })).toMatchObject({ response: 1 });
    expect(await initiator.command('28 00 00 00 00 00 00 00 00 00', { into: 512 })).toMatchObject({ ...GOOD, residual: 512 });
    expect(await initiator.command('28 00 00 00 00 00 00 00 01 00', { into: 700 })).toMatchObject({ ...GOOD, residual: 188 });
  });

  it('has a cache that mode pages switch, and that writes can pass', async () => {
    const medium = new RamDisk(SIZE);
    const flush = vi.spyOn(medium, 'flush');
    const initiator = await disk({ medium });
    const flushes = async (cdb: number[]): Promise<number> => {
      flush.mockClear();
      expect(await initiator.command(cdb, { out: pattern(512) })).toMatchObject(GOOD);
      return flush.mock.calls.length;
    };
    const write = forms[10](0x2a, 0, 1);
    expect(await flushes(write)).toBe(0);
    expect(await flushes(write.with(1, 0x08))).toBe(1);
    const sense = async (): Promise<Uint8Array> => (await initiator.command('1a 08 08 00 ff 00', { into: 255 })).data;
    const page = (await sense()).slice(0, 24);
    expect([page[0], page[2], page[4], page[6]]).toEqual([23, 0x10, 0x08, 0x04]);
    page[0] = 0;
    page[6] = 0;
    expect(await initiator.command([0x15, 0x10, 0, 0, page.length, 0], { out: page })).toMatchObject(GOOD);
    expect((await sense())[6]).toBe(0);
    expect(await flushes(write)).toBe(1);
    page[7] = 1;
    expect(await initiator.command([0x15, 0x10, 0, 0, page.length, 0], { out: page })).toMatchObject(
      refused(SENSE.invalidFieldInParameters),
    );
    expect(await initiator.command('15 10 00 00 02 00', { out: page })).toMatchObject(refused(SENSE.parameterListLength));
    flush.mockClear();
    await initiator.command(forms[10](0x35, 0, 0));
    await initiator.command(forms[16](0x91, 0, 0));
    expect(flush).toHaveBeenCalledTimes(2);
  });

  it('shows all its mode pages, in both forms, and which bits can change', async () => {
    const initiator = await disk();
    const all = (await initiator.command('5a 00 3f 00 00 00 00 00 ff 00', { into: 255 })).data;
    expect([all[3], all[7]]).toEqual([0x10, 8]);
    expect([...all.subarray(8, 16)]).toEqual([...be(2048, 4), 0, ...be(512, 3)]);
    expect([all[16], all[28], all[48]]).toEqual([0x01, 0x08, 0x0a]);
    const changeable = (await initiator.command('1a 08 48 00 ff 00', { into: 255 })).data;
    expect([...changeable.subarray(4, 8)]).toEqual([0x08, 18, 0x04, 0]);
    expect(await initiator.command('1a 08 c8 00 ff 00', { into: 255 })).toMatchObject(refused(SENSE.savingNotSupported));
    expect(await initiator.command('1a 08 19 00 ff 00', { into: 255 })).toMatchObject(refused(SENSE.invalidFieldInCommand));
    const readonly = await disk({ medium: Object.assign(new RamDisk(SIZE), { readonly: true }) });
    expect((await readonly.command('1a 08 3f 00 04 00', { into: 4 })).data[2]).toBe(0x90);
    expect(await readonly.command(forms[10](0x2a, 0, 1), { out: pattern(512) })).toMatchObject(refused(SENSE.writeProtected));
  });

  it('unmaps what it is told to, after all of the list was checked', async () => {
    const medium = new RamDisk(SIZE);
    const initiator = await disk({ medium });
    const discard = vi.spyOn(medium, 'discard');
    const list = (...extents: [number, number][]): Uint8Array =>
      Uint8Array.of(
        ...be(6 + 16 * extents.length, 2),
        ...be(16 * extents.length, 2),
        0,
        0,
        0,
        0,
        ...extents.flatMap(([block, count]) => [...be(block, 8), ...be(count, 4), 0, 0, 0, 0]),
      );
    const unmap = (out: Uint8Array): Promise<Answer> => initiator.command([0x42, 0, 0, 0, 0, 0, 0, ...be(out.length, 2), 0], { out });
    expect(await unmap(list([8, 8], [64, 16]))).toMatchObject(GOOD);
    expect(discard.mock.calls).toEqual([
      [8 * 512, 8 * 512],
      [64 * 512, 16 * 512],
    ]);
    discard.mockClear();
    expect(await unmap(list([8, 8], [SIZE / 512, 1]))).toMatchObject(refused(SENSE.addressOutOfRange));
    expect(await unmap(list([8, 8]).subarray(0, 20))).toMatchObject(refused(SENSE.parameterListLength));
    expect(discard).not.toHaveBeenCalled();
    const kept = await disk({ medium: Object.assign(new RamDisk(SIZE), { discards: false }) });
    expect(await kept.command('42 00 00 00 00 00 00 00 08 00', { out: new Uint8Array(8) })).toMatchObject(
      refused(SENSE.invalidOperationCode),
    );
  });

  it('writes one block to many places', async () => {
    const initiator = await disk();
    const block = pattern(512, 5);
    expect(await initiator.command(forms[10](0x41, 3, 1000), { out: block })).toMatchObject(GOOD);
    const { data } = await initiator.command(forms[16](READ[16], 2, 1002), { into: 1002 * 512 });
    const expected = Buffer.concat([new Uint8Array(512), ...Array.from({ length: 1000 }, () => block), new Uint8Array(512)]);
    expect(Buffer.compare(data, expected)).toBe(0);
    // NDOB: no data, which means zeroes.
    expect(await initiator.command(forms[16](0x93, 3, 999).with(1, 0x09))).toMatchObject(GOOD);
    const zeroed = await initiator.command(forms[16](READ[16], 3, 1000), { into: 1000 * 512 });
    expect(zeroed.data.subarray(0, 999 * 512).every((byte) => byte === 0)).toBe(true);
    expect(Buffer.compare(zeroed.data.subarray(999 * 512), block)).toBe(0);
    expect(await initiator.command(forms[16](0x93, 0, 0), { out: block })).toMatchObject(refused(SENSE.invalidFieldInCommand));
    expect(await initiator.command(forms[16](0x93, 2040, 9), { out: block })).toMatchObject(refused(SENSE.addressOutOfRange));
  });

  it('verifies blocks, and compares them', async () => {
    const initiator = await disk();
    const data = pattern(2048);
    await initiator.command(forms[10](0x2a, 0, 4), { out: data });
    expect(await initiator.command(forms[10](0x2f, 0, 4))).toMatchObject(GOOD);
    expect(await initiator.command(forms[16](0x8f, 0, 4).with(1, 0x02), { out: data })).toMatchObject(GOOD);
    expect(await initiator.command(forms[16](0x8f, 0, 4).with(1, 0x02), { out: pattern(2048, 2) })).toMatchObject(
      refused(SENSE.miscompare),
    );
    expect(await initiator.command(forms[16](0x8f, 4, 4).with(1, 0x06), { out: new Uint8Array(512) })).toMatchObject(GOOD);
    expect(await initiator.command(forms[12](0xaf, 2048, 1))).toMatchObject(refused(SENSE.addressOutOfRange));
    // A verification of terabytes would go on when everything else has stopped.
    const huge = await disk({ medium: new RamDisk(2 ** 42) });
    expect(await huge.command(forms[16](0x8f, 0, 2 ** 31))).toMatchObject(refused(SENSE.invalidFieldInCommand));
  });

  it('lists its commands', async () => {
    const initiator = await disk();
    const all = await initiator.command('a3 0c 00 00 00 00 00 00 08 00 00 00', { into: 2048 });
    const length = new DataView(all.data.buffer).getUint32(0);
    const opcodes = Array.from({ length: length / 8 }, (_, i) => all.data[4 + 8 * i]);
    expect(opcodes).toEqual(expect.arrayContaining([0x00, 0x12, 0x28, 0x2a, 0x35, 0x41, 0x42, 0x93, 0x9e, 0xa3]));
    const one = async (cdb: string): Promise<number[]> => [...(await initiator.command(cdb, { into: 64 })).data];
    expect((await one('a3 0c 01 42 00 00 00 00 00 40 00 00')).slice(0, 5)).toEqual([0, 3, 0, 10, 0x42]);
    expect((await one('a3 0c 02 9e 00 10 00 00 00 40 00 00')).slice(0, 6)).toEqual([0, 3, 0, 16, 0x9e, 0x10]);
    expect((await one('a3 0c 01 5f 00 00 00 00 00 40 00 00')).slice(0, 4)).toEqual([0, 1, 0, 0]);
    expect(await initiator.command('a3 0c 01 9e 00 00 00 00 00 40 00 00', { into: 64 })).toMatchObject(
      refused(SENSE.invalidFieldInCommand),
    );
  });

  it('turns failures of the host into medium errors and warns once until it works again', async () => {
    const medium = new RamDisk(SIZE);
    const initiator = await disk({ medium });
    const warnings: VmError[] = [];
    initiator.scsi.on('warning', (error) => warnings.push(error));
    const write = vi.spyOn(medium, 'writev').mockRejectedValue(DeviceError.IoError("The host's disk is full"));
    for (let i = 0; i < 2; i++) {
      expect(await initiator.command(forms[10](0x2a, 0, 1), { out: pattern(512) })).toMatchObject(refused(SENSE.writeError));
    }
    vi.spyOn(medium, 'readv').mockRejectedValueOnce(DeviceError.IoError('broken'));
    expect(await initiator.command(forms[10](0x28, 0, 1), { into: 512 })).toMatchObject(refused(SENSE.unrecoveredReadError));
    expect(warnings.map(({ message }) => message)).toEqual(["The host's disk is full"]);
    write.mockRestore();
    expect(await initiator.command(forms[10](0x2a, 0, 1), { out: pattern(512) })).toMatchObject(GOOD);
  });

  it('moves data between back end and guest memory without a copy', async () => {
    const medium = new RamDisk(SIZE);
    const initiator = await disk({ medium });
    const { buffer } = initiator.driver.memory.memory;
    const read = vi.spyOn(medium, 'readv');
    const write = vi.spyOn(medium, 'writev');
    await initiator.command(forms[10](0x28, 0, 64), { into: 64 * 512 });
    await initiator.command(forms[10](0x2a, 0, 64), { out: pattern(64 * 512) });
    for (const spy of [read, write]) expect(spy.mock.calls[0][1].every((view) => view.buffer === buffer)).toBe(true);
  });
});

describe('a CD-ROM drive', () => {
  it('tells what is in it', async () => {
    const initiator = await cdrom();
    const inquiry = (await initiator.command('12 00 00 00 24 00', { into: 36 })).data;
    expect([inquiry[0], inquiry[1]]).toEqual([5, 0x80]);
    expect([...(await initiator.command('25 00 00 00 00 00 00 00 00 00', { into: 8 })).data]).toEqual([...be(511, 4), ...be(2048, 4)]);
    const toc = await initiator.command('43 00 00 00 00 00 00 00 ff 00', { into: 255 });
    expect([...toc.data.subarray(0, 20)]).toEqual([0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, ...be(512, 4)]);
    // As minutes, seconds and frames: 512 + 150 frames are 8 seconds and 62 frames.
    const times = await initiator.command('43 02 00 00 00 00 aa 00 0c 00', { into: 12 });
    expect([...times.data.subarray(8, 12)]).toEqual([0, 0, 8, 62]);
    expect([...(await initiator.command('43 00 01 00 00 00 00 00 0c 00', { into: 12 })).data.subarray(0, 4)]).toEqual([0, 10, 1, 1]);
    const profile = async (one: Initiator): Promise<number> => (await one.command('46 00 00 00 00 00 00 00 08 00', { into: 8 })).data[7];
    expect(await profile(initiator)).toBe(0x08);
    expect(await profile(await cdrom(2 ** 30))).toBe(0x10);
    expect((await initiator.command('51 00 00 00 00 00 00 00 22 00', { into: 34 })).data[2]).toBe(0x0e);
    expect((await initiator.command('bd 00 00 00 00 00 00 00 00 08 00 00', { into: 8 })).data[1]).toBe(0);
    const capabilities = (await initiator.command('5a 00 2a 00 00 00 00 00 80 00', { into: 128 })).data;
    expect([capabilities[7], capabilities[8], capabilities[14] & 0x09]).toEqual([0, 0x2a, 0x09]);
  });

  it('reads blocks of 2048 bytes, and takes no commands of disks', async () => {
    const medium = new RamDisk(SIZE);
    await medium.writev(2048 * 5, [pattern(4096)]);
    const initiator = await Initiator.with({ kind: 'cdrom', medium });
    expect(Buffer.compare((await initiator.command(forms[10](0x28, 5, 2), { into: 4096 })).data, pattern(4096))).toBe(0);
    const readCd = await initiator.command('be 00 00 00 00 05 00 00 02 10 00 00', { into: 4096 });
    expect(Buffer.compare(readCd.data, pattern(4096))).toBe(0);
    expect(await initiator.command(forms[10](0x2a, 0, 1), { out: pattern(2048) })).toMatchObject(refused(SENSE.invalidOperationCode));
    expect(await initiator.command('12 01 b0 00 ff 00', { into: 255 })).toMatchObject(refused(SENSE.invalidFieldInCommand));
  });

  it('ejects, unless it is locked, and takes the disc in again', async () => {
    const initiator = await cdrom();
    const ready = (): Promise<Answer> => initiator.command('00 00 00 00 00 00');
    await initiator.command('1e 00 00 00 01 00');
    expect(await initiator.command('1b 00 00 00 02 00')).toMatchObject(refused(SENSE.removalPrevented));
    expect(await ready()).toMatchObject(GOOD);
    await initiator.command('1e 00 00 00 00 00');
    expect(await initiator.command('1b 00 00 00 02 00')).toMatchObject(GOOD);
    expect(await ready()).toMatchObject(refused(SENSE.noMediumTrayOpen));
    const events = async (): Promise<number[]> => [
      ...(await initiator.command('4a 01 00 00 10 00 00 00 08 00', { into: 8 })).data.subarray(2, 6),
    ];
    expect(await events()).toEqual([4, 0x10, 3, 1]);
    expect(await events()).toEqual([4, 0x10, 0, 1]);
    expect(await initiator.command('1b 00 00 00 03 00')).toMatchObject(GOOD);
    expect(await ready()).toMatchObject(refused(SENSE.mediumMayHaveChanged));
    expect(await ready()).toMatchObject(GOOD);
    expect(await events()).toEqual([4, 0x10, 2, 2]);
  });

  it('changes discs for the host, and asks the guest first where it has locked the drive', async () => {
    const medium = new RamDisk(SIZE);
    const initiator = await Initiator.with({ kind: 'cdrom', medium });
    const { scsi } = initiator;
    const address = { target: 0, lun: 0 };
    await initiator.command('1e 00 00 00 01 00');
    await expect(scsi.changeMedium(address, undefined)).rejects.toMatchObject({ kind: 'State' });
    expect((await initiator.command('4a 01 00 00 10 00 00 00 08 00', { into: 8 })).data[4]).toBe(1);
    expect(await scsi.changeMedium(address, undefined, { force: true })).toBe(medium);
    expect(await initiator.command('00 00 00 00 00 00')).toMatchObject(refused(SENSE.mediumMayHaveChanged));
    expect(await initiator.command('25 00 00 00 00 00 00 00 00 00', { into: 8 })).toMatchObject(refused(SENSE.noMediumTrayClosed));
    await scsi.changeMedium(address, new RamDisk(2 * SIZE));
    expect(await initiator.command('00 00 00 00 00 00')).toMatchObject(refused(SENSE.mediumMayHaveChanged));
    expect([...(await initiator.command('25 00 00 00 00 00 00 00 00 00', { into: 8 })).data.subarray(0, 4)]).toEqual(be(1023, 4));
  });

  it('tells of other discs who has subscribed to that', async () => {
    const initiator = await cdrom();
    const next = initiator.listen();
    const subscribe = Uint8Array.of(2, 0, 0, 0, 1, 0, 0x40, 0, 0, 0, 0, 0, 0xff, 0, 0, 0);
    expect([...(await initiator.control(subscribe, 5))]).toEqual([16, 0, 0, 0, 0]);
    await initiator.scsi.changeMedium({ target: 0, lun: 0 }, undefined);
    expect(await next()).toEqual({ event: 2, target: 0, lun: 0, reason: 16 });
  });
});

describe('VirtioScsi', () => {
  it('tells its limits, and lets the driver choose the sizes of descriptor blocks and sense data', async () => {
    const initiator = await disk();
    const { transport } = initiator.driver;
    expect([0, 4, 16, 20, 24].map((at) => transport.read(0x100 + at, 4))).toEqual([1, 254, 16, 96, 32]);
    expect([transport.read(0x11c, 2), transport.read(0x11e, 2), transport.read(0x120, 4)]).toEqual([0, 255, 0x3fff]);
    transport.write(0x118, 4, 16);
    transport.write(0x114, 4, 18);
    const queue = initiator.driver.queues[FIRST_REQUEST_QUEUE];
    const chain = queue.add({ readable: [initiator.header('00 00').subarray(0, 35)], writable: [30] });
    queue.kick();
    await queue.waitUsed();
    expect(initiator.driver.written(chain)[10]).toBe(0);
    transport.write(0x118, 4, 4);
    expect(transport.read(0x118, 4)).toBe(16);
    initiator.driver.start();
    expect(transport.read(0x118, 4)).toBe(32);
    expect(new VirtioScsi({ queues: 4 }).queueSizes).toHaveLength(6);
  });

  it('lists units, and knows what is not there', async () => {
    const scsi = new VirtioScsi();
    scsi.attach({ medium: new RamDisk(SIZE) });
    scsi.attach({ medium: new RamDisk(SIZE) }, { target: 0, lun: 300 });
    expect(scsi.attach({ medium: new RamDisk(SIZE) })).toEqual({ target: 1, lun: 0 });
    const initiator = new Initiator(scsi);
    const luns = await initiator.command('a0 00 00 00 00 00 00 00 00 40 00 00', { into: 64 });
    expect([...luns.data.subarray(0, 24)]).toEqual([...be(16, 4), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x41, 44, 0, 0, 0, 0, 0, 0]);
    const nobody = { address: [1, 0, 0x40, 7] };
    expect((await initiator.command('12 00 00 00 24 00', { into: 36, ...nobody })).data[0]).toBe(0x7f);
    expect(await initiator.command('00 00 00 00 00 00', nobody)).toMatchObject(refused(SENSE.unitNotSupported));
    expect(await initiator.command('00 00 00 00 00 00', { address: [1, 9, 0x40, 0] })).toMatchObject({ response: 3 });
    expect(await initiator.command('00 00 00 00 00 00', { address: [2, 0, 0x40, 0] })).toMatchObject({ response: 3 });
    expect(() => scsi.attach({ medium: new RamDisk(SIZE) }, { target: 1 })).toThrow('taken');
    expect(() => scsi.attach({ medium: new RamDisk(SIZE) }, { target: 256 })).toThrow('no SCSI address');
  });

  it('answers whatever descriptor block and parameters it is sent', async () => {
    const scsi = new VirtioScsi();
    scsi.attach({ medium: new RamDisk(64 << 10) });
    scsi.attach({ kind: 'cdrom', medium: new RamDisk(64 << 10) });
    const problems: VmError[] = [];
    scsi.on('warning', (error) => problems.push(error));
    const lister = new Initiator(scsi);
    /** The usage data of all commands, by target. */
    const known: number[][][] = [];
    for (const target of [0, 1]) {
      const address = [1, target, 0x40, 0];
      await lister.command('00 00 00 00 00 00', { address });
      const all = await lister.command('a3 0c 00 00 00 00 00 00 08 00 00 00', { into: 2048, address });
      const usages: number[][] = [];
      for (let at = 4; at < 4 + new DataView(all.data.buffer).getUint32(0); at += 8) {
        const [opcode, , , action, , hasAction] = all.data.subarray(at, at + 8);
        const cdb = [0xa3, 0x0c, hasAction ? 2 : 1, opcode, 0, action, 0, 0, 0, 64, 0, 0];
        const { data } = await lister.command(cdb, { into: 64, address });
        usages.push([...data.subarray(4, 4 + data[3])]);
      }
      known.push(usages);
    }
    const byte = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(0, 0, 0, 1, 8, 0x10, 0xff) }, { weight: 1, arbitrary: fc.nat(255) });
    const request = fc.record({
      command: fc.nat(99),
      bytes: fc.array(byte, { minLength: 16, maxLength: 16 }),
      /** Whether only bits that the command knows are set. */
      proper: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
      target: fc.nat(1),
      into: fc.constantFrom(0, 1, 8, 36, 255, 512, 4096),
      out: fc.option(fc.uint8Array({ minLength: 1, maxLength: 600 }), { nil: undefined }),
    });
    const answered = new Set<number>();
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 20, maxLength: 60, size: 'max' }), async (requests) => {
        const initiator = new Initiator(scsi);
        for (const target of [0, 1]) await initiator.command('00 00 00 00 00 00', { address: [1, target, 0x40, 0] });
        for (const { command, bytes, proper, target, into, out } of requests) {
          const usage = known[target][command % known[target].length];
          const cdb = proper ? usage.map((mask, i) => (i === 0 ? mask : bytes[i] & mask)) : bytes;
          const answer = await initiator.command(cdb, { into, out, address: [1, target, 0x40, 0] });
          expect(answer.residual).toBeLessThanOrEqual(into + (out?.length ?? 0));
          expect(answer.status === 2).toBe(answer.sense !== undefined);
          if (answer.status === 0 && answer.response === 0) answered.add(cdb[0]);
        }
      }),
      { numRuns: Number(process.env['HARTBOX_FUZZ_RUNS'] ?? 100) },
    );
    expect(problems).toEqual([]);
    expect(answered.size).toBeGreaterThan(15);
  });

  it('tells the driver of disks that come, go and change', async () => {
    const medium = new RamDisk(SIZE);
    const initiator = await disk({ medium });
    const { scsi } = initiator;
    const next = initiator.listen();
    const address = scsi.attach({ medium: new RamDisk(SIZE) });
    expect(await next()).toEqual({ event: 1, target: 1, lun: 0, reason: 1 });
    await medium.resize(2 * SIZE);
    expect(await next()).toEqual({ event: 3, target: 0, lun: 0, reason: 0x092a });
    expect(await initiator.command('00 00 00 00 00 00')).toMatchObject(refused(SENSE.capacityChanged));
    await scsi.detach(address);
    expect(await next()).toEqual({ event: 1, target: 1, lun: 0, reason: 2 });
    expect(await initiator.command('00 00 00 00 00 00', { address: [1, 1, 0x40, 0] })).toMatchObject({ response: 3 });
    await expect(scsi.detach(address)).rejects.toThrow('no SCSI unit 1:0');
  });

  it('keeps events until the driver has a buffer for them, and says when there were too many', async () => {
    const medium = new RamDisk(SIZE);
    const initiator = await disk({ medium });
    for (let i = 0; i < 70; i++) await medium.resize(SIZE + 512 * i);
    const next = initiator.listen(64);
    expect((await next()).event).toBe(0x8000_0003);
  });

  it('removes a disk only when its last command is over, and its data are safe', async () => {
    const medium = new RamDisk(SIZE);
    const initiator = await disk({ medium });
    let finish = (): void => undefined;
    vi.spyOn(medium, 'writev').mockReturnValue(new Promise((resolve) => (finish = resolve)));
    const flush = vi.spyOn(medium, 'flush');
    const writing = initiator.command(forms[10](0x2a, 0, 1), { out: pattern(512) });
    let detached = false;
    const detaching = initiator.scsi.detach({ target: 0, lun: 0 }).then((disk) => {
      detached = true;
      return disk;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(detached).toBe(false);
    finish();
    expect(await writing).toMatchObject(GOOD);
    expect(await detaching).toBe(medium);
    expect(flush).toHaveBeenCalled();
  });

  it('manages tasks: what a reset ends says so, what is aborted is waited for', async () => {
    const medium = new RamDisk(SIZE);
    const initiator = await disk({ medium });
    const finish: (() => void)[] = [];
    vi.spyOn(medium, 'readv').mockImplementation(() => new Promise((resolve) => finish.push(resolve)));
    const reading = initiator.command(forms[10](0x28, 0, 1), { into: 512, id: 5 });
    expect([...(await initiator.manage(6, { id: 5 }))]).toEqual([10]);
    expect([...(await initiator.manage(6, { id: 6 }))]).toEqual([0]);
    expect([...(await initiator.manage(0, { id: 6 }))]).toEqual([0]);
    let aborted = false;
    const aborting = initiator.manage(0, { id: 5 }).then(() => (aborted = true));
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(aborted).toBe(false);
    finish.pop()!();
    await aborting;
    expect(await reading).toMatchObject(GOOD);

    const other = initiator.command(forms[10](0x28, 0, 1), { into: 512 });
    const resetting = initiator.manage(5);
    finish.pop()!();
    expect([...(await resetting)]).toEqual([0]);
    expect(await other).toMatchObject({ response: 4 });
    expect(await initiator.command('00 00 00 00 00 00')).toMatchObject(refused(SENSE.unitReset));
    expect([...(await initiator.manage(77))]).toEqual([11]);
    expect([...(await initiator.manage(5, { lun: 3 }))]).toEqual([12]);
    expect([...(await initiator.manage(5, { target: 3 }))]).toEqual([3]);
  });

  it('goes on from a saved state, with attentions, lock and tray as they were', async () => {
    const initiator = await cdrom();
    await initiator.command('1e 00 00 00 01 00');
    initiator.scsi.unit({ target: 0, lun: 0 })!.attend(SENSE.mediumMayHaveChanged);
    await initiator.driver.transport.sleep();
    const state: unknown = JSON.parse(JSON.stringify(initiator.driver.transport.state.snapshot()));
    const scsi = new VirtioScsi();
    scsi.attach({ kind: 'cdrom', medium: new RamDisk(SIZE) });
    const other = MockDriver.for(scsi, initiator.driver.memory);
    other.transport.state.restore(state);
    expect(scsi.unit({ target: 0, lun: 0 })?.locked).toBe(true);
    expect(scsi.unit({ target: 0, lun: 0 })?.takeAttention()).toEqual(SENSE.mediumMayHaveChanged);
    expect(() => MockDriver.for(new VirtioScsi()).transport.state.restore(state)).toThrow('other drives');
  });

  it.each([
    ['with too little of a header', FIRST_REQUEST_QUEUE, { readable: [pattern(50)], writable: [108] }],
    ['without room for the answer', FIRST_REQUEST_QUEUE, { readable: [pattern(51)], writable: [107] }],
    ['of the control queue that is too short', CONTROL_QUEUE, { readable: [new Uint8Array(23)], writable: [1] }],
  ])('asks to be reset after a request %s', async (_, index, chain) => {
    const initiator = await disk();
    const queue = initiator.driver.queues[index];
    queue.add(chain);
    queue.kick();
    await queue.waitUsed();
    await Promise.resolve();
    expect(initiator.scsi.status.kind).toBe('Error');
    initiator.driver.start();
    expect(await initiator.command('00 00 00 00 00 00')).toMatchObject(refused(SENSE.powerOn));
  });

  it.each([
    [{ medium: new RamDisk(SIZE), serial: 'x'.repeat(21) }, 'serial number'],
    [{ medium: new RamDisk(SIZE), blockSize: 2048 }, 'blocks of 2048'],
    [{ kind: 'disk' as const }, 'needs a disk image'],
    [{ kind: 'cdrom' as const, medium: new RamDisk(512) }, 'less than one block'],
  ])('refuses units that cannot be', (options, message) => {
    expect(() => new VirtioScsi().attach(options)).toThrow(message);
  });
});
