import { VmError } from '../../../errors/vm-error';
import { type Command, type CommandContext, usage } from './command';
import { TRANSFER_MAX_BYTES, UNMAP_DESCRIPTORS_MAX, UNMAP_MAX_BYTES } from './inquiry';
import type { LogicalUnit } from './logical-unit';
import { CheckCondition, SENSE } from './sense';
import type { ScsiTask } from './task';

const FORCE_UNIT_ACCESS = 0x08;
const UNMAP = 0x08;
const NO_DATA_OUT = 0x01;
const DESCRIPTOR_BYTES = 16;
const UNMAP_HEADER_BYTES = 8;

/** Where the forms of a command keep what they all have: the first block and the number of blocks. */
type Extent = (task: ScsiTask) => { block: number; count: number };
const form6: Extent = (task) => ({ block: task.u24(1) & 0x1f_ffff, count: task.u8(4) || 256 });
const form10: Extent = (task) => ({ block: task.u32(2), count: task.u16(7) });
const form12: Extent = (task) => ({ block: task.u32(2), count: task.u32(6) });
const form16: Extent = (task) => ({ block: task.u64(2), count: task.u32(10) });

const read = (name: string, data: string, extent: Extent): Command => ({
  name,
  usage: usage(data),
  medium: true,
  async run(unit, task, { io }) {
    const { offset, length } = inside(unit, extent(task));
    const target = task.into(length);
    if (length > 0) await io.transferScatterGather(target, medium(unit), offset);
  },
});

const write = (name: string, data: string, extent: Extent): Command => ({
  name,
  usage: usage(data),
  kind: 'disk',
  medium: true,
  writes: true,
  async run(unit, task, { io }) {
    const { offset, length } = inside(unit, extent(task));
    const source = task.from(length);
    if (length === 0) return;
    await io.transferScatterGather(source, medium(unit), offset);
    // The six-byte form has no such bit.
    const forced = task.opcode !== 0x0a && (task.u8(1) & FORCE_UNIT_ACCESS) !== 0;
    if (forced || !unit.writeCache) await medium(unit).flush();
  },
});

const verify = (name: string, data: string, extent: Extent): Command => ({
  name,
  usage: usage(data),
  kind: 'disk',
  medium: true,
  async run(unit, task, context) {
    const range = extent(task);
    const { offset, length } = inside(unit, range);
    const check = (task.u8(1) >>> 1) & 3;
    if (check === 2 || length > TRANSFER_MAX_BYTES) throw new CheckCondition(SENSE.invalidFieldInCommand);
    const expected = check === 0 ? undefined : task.from(check === 3 && range.count > 0 ? unit.blockSize : length);
    await inPieces(context, length, async (buffer, done) => {
      await medium(unit).readv(offset + done, [buffer]);
      if (!expected) return;
      const other = new Uint8Array(check === 3 ? unit.blockSize : buffer.length);
      for (let at = 0; at < buffer.length; at += other.length) {
        expected.copyTo(other, check === 3 ? 0 : done + at);
        if (Buffer.compare(other, buffer.subarray(at, at + other.length)) !== 0) throw new CheckCondition(SENSE.miscompare);
      }
    });
  },
});

const synchronizeCache = (name: string, data: string, extent: Extent): Command => ({
  name,
  usage: usage(data),
  medium: true,
  async run(unit, task) {
    inside(unit, extent(task));
    await medium(unit).flush();
  },
});

/** One block's data for many blocks. Zeroes, or with UNMAP set, need not be written where the back end knows better. */
const writeSame = (name: string, data: string, extent: Extent): Command => ({
  name,
  usage: usage(data),
  kind: 'disk',
  medium: true,
  writes: true,
  async run(unit, task, context) {
    const range = extent(task);
    if (range.count === 0 || range.count * unit.blockSize > TRANSFER_MAX_BYTES) throw new CheckCondition(SENSE.invalidFieldInCommand);
    const disk = medium(unit);
    if (task.u8(1) & UNMAP && !disk.discards) throw new CheckCondition(SENSE.invalidFieldInCommand);
    const { offset, length } = inside(unit, range);
    const noData = task.opcode === 0x93 && (task.u8(1) & NO_DATA_OUT) !== 0;
    const block = noData ? undefined : task.from(unit.blockSize).toBytes();
    if (!block || block.every((byte) => byte === 0)) await disk.writeZeroes(offset, length, { unmap: (task.u8(1) & UNMAP) !== 0 });
    else {
      await inPieces(context, length, async (buffer, done) => {
        for (let at = 0; at < buffer.length; at += block.length) buffer.set(block, at);
        await disk.writev(offset + done, [buffer]);
      });
    }
    if (!unit.writeCache) await disk.flush();
  },
});

/** What disks, and partly discs, know (SBC-4 §5). */
export const blockCommands: readonly Command[] = [
  read('READ(6)', '08 1f ff ff ff 00', form6),
  read('READ(10)', '28 18 ff ff ff ff 1f ff ff 00', form10),
  read('READ(12)', 'a8 18 ff ff ff ff ff ff ff ff 1f 00', form12),
  read('READ(16)', '88 18 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00', form16),
  write('WRITE(6)', '0a 1f ff ff ff 00', form6),
  write('WRITE(10)', '2a 18 ff ff ff ff 1f ff ff 00', form10),
  write('WRITE(12)', 'aa 18 ff ff ff ff ff ff ff ff 1f 00', form12),
  write('WRITE(16)', '8a 18 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00', form16),
  verify('VERIFY(10)', '2f 16 ff ff ff ff 1f ff ff 00', form10),
  verify('VERIFY(12)', 'af 16 ff ff ff ff ff ff ff ff 1f 00', form12),
  verify('VERIFY(16)', '8f 16 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00', form16),
  synchronizeCache('SYNCHRONIZE CACHE(10)', '35 06 ff ff ff ff 1f ff ff 00', form10),
  synchronizeCache('SYNCHRONIZE CACHE(16)', '91 06 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00', form16),
  writeSame('WRITE SAME(10)', '41 08 ff ff ff ff 1f ff ff 00', form10),
  writeSame('WRITE SAME(16)', '93 09 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00', form16),
  {
    name: 'READ CAPACITY(10)',
    usage: usage('25 00 ff ff ff ff 00 00 01 00'),
    medium: true,
    run(unit, task) {
      const answer = new DataView(new ArrayBuffer(8));
      // More than fits tells the driver to ask with READ CAPACITY(16).
      answer.setUint32(0, Math.min(unit.blocks - 1, 0xffff_ffff));
      answer.setUint32(4, unit.blockSize);
      task.reply(new Uint8Array(answer.buffer), 8);
    },
  },
  {
    name: 'READ CAPACITY(16)',
    usage: usage('9e 10 ff ff ff ff ff ff ff ff ff ff ff ff 01 00'),
    action: 0x10,
    kind: 'disk',
    medium: true,
    run(unit, task) {
      const answer = new DataView(new ArrayBuffer(32));
      const last = unit.blocks - 1;
      answer.setUint32(0, Math.floor(last / 0x1_0000_0000));
      answer.setUint32(4, last >>> 0);
      answer.setUint32(8, unit.blockSize);
      // Logical blocks per physical block, as a power of two: hosts' files are made of 4 KiB.
      answer.setUint8(13, Math.log2(4096 / unit.blockSize));
      // LBPME: blocks can be unmapped.
      answer.setUint8(14, medium(unit).discards ? 0x80 : 0);
      task.reply(new Uint8Array(answer.buffer), task.u32(10));
    },
  },
  {
    name: 'UNMAP',
    usage: usage('42 00 00 00 00 00 1f ff ff 00'),
    kind: 'disk',
    medium: true,
    writes: true,
    async run(unit, task) {
      const disk = medium(unit);
      if (!disk.discards) throw new CheckCondition(SENSE.invalidOperationCode);
      const length = task.u16(7);
      if (length === 0) return;
      const list = task.parameters(length);
      if (length < UNMAP_HEADER_BYTES) throw new CheckCondition(SENSE.parameterListLength);
      const bytes = list.getUint16(2);
      if (bytes % DESCRIPTOR_BYTES !== 0 || UNMAP_HEADER_BYTES + bytes > length) throw new CheckCondition(SENSE.parameterListLength);
      if (bytes / DESCRIPTOR_BYTES > UNMAP_DESCRIPTORS_MAX) throw new CheckCondition(SENSE.invalidFieldInParameters);
      const extents: { offset: number; length: number }[] = [];
      let sum = 0;
      for (let at = UNMAP_HEADER_BYTES; at < UNMAP_HEADER_BYTES + bytes; at += DESCRIPTOR_BYTES) {
        const block = list.getUint32(at) * 0x1_0000_0000 + list.getUint32(at + 4);
        const extent = inside(unit, { block, count: list.getUint32(at + 8) });
        sum += extent.length;
        extents.push(extent);
      }
      if (sum > UNMAP_MAX_BYTES) throw new CheckCondition(SENSE.invalidFieldInParameters);
      for (const extent of extents) if (extent.length > 0) await disk.discard(extent.offset, extent.length);
      if (!unit.writeCache) await disk.flush();
    },
  },
  {
    name: 'START STOP UNIT',
    usage: usage('1b 01 00 0f f7 00'),
    async run(unit, task) {
      const start = (task.u8(4) & 0x01) !== 0;
      const loadEject = (task.u8(4) & 0x02) !== 0;
      // With a power condition the other bits do not count; nothing here saves power.
      if (task.u8(4) >>> 4 !== 0) return;
      if (unit.kind === 'disk') {
        if (!start) await medium(unit).flush();
        return;
      }
      if (!loadEject) return;
      if (start) unit.closeTray();
      else if (unit.locked) throw new CheckCondition(SENSE.removalPrevented);
      else unit.openTray();
    },
  },
];

function medium(unit: LogicalUnit): NonNullable<LogicalUnit['medium']> {
  if (!unit.medium) throw new VmError('Internal', 'A SCSI command that needs a medium was carried out without one.');
  return unit.medium;
}

/** Bytes on the medium. */
function inside(unit: LogicalUnit, { block, count }: { block: number; count: number }): { offset: number; length: number } {
  if (block + count > unit.blocks) throw new CheckCondition(SENSE.addressOutOfRange);
  return { offset: block * unit.blockSize, length: count * unit.blockSize };
}

/** Do something for `length` bytes in pieces that fit into a buffer of the pool. */
async function inPieces({ io }: CommandContext, length: number, work: (buffer: Uint8Array, done: number) => Promise<void>): Promise<void> {
  const { pool } = io;
  const buffer = await pool.acquire();
  try {
    for (let done = 0; done < length; ) {
      const count = Math.min(length - done, buffer.length);
      await work(buffer.subarray(0, count), done);
      done += count;
    }
  } finally {
    pool.release(buffer);
  }
}
