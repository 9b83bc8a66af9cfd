import { type Command, usage } from './command';
import type { LogicalUnit, MediaEvent } from './logical-unit';
import { CheckCondition, SENSE } from './sense';

const MEDIA_EVENT: Record<MediaEvent, number> = { none: 0, ejectRequest: 1, newMedia: 2, mediaRemoval: 3 };
const NOTIFICATION_MEDIA = 4;
const NO_EVENT_AVAILABLE = 0x80;

/** What fits onto a CD, in blocks: 80 minutes of 60 seconds of 75 blocks. More is a DVD. */
const CD_BLOCKS = 80 * 60 * 75;
const PROFILE_CD_ROM = 0x0008;
const PROFILE_DVD_ROM = 0x0010;

const CONTROL_DATA_TRACK = 0x14;
const LEAD_OUT = 0xaa;
/** Minute, second and frame count from two seconds before block 0 (MMC-6 §4.2.4). */
const MSF_OFFSET = 150;

/** What drives for discs know beside the rest (MMC-6 §6). */
export const multimediaCommands: readonly Command[] = [
  {
    name: 'READ TOC/PMA/ATIP',
    usage: usage('43 02 0f 00 00 00 ff ff ff c0'),
    kind: 'cdrom',
    medium: true,
    run(unit, task) {
      const asTime = (task.u8(1) & 0x02) !== 0;
      // Old drivers give the format in the control byte.
      const format = task.u8(2) & 0x0f || task.u8(9) >>> 6;
      const first = task.u8(6);
      const data = format === 0 ? tableOfContents(unit, first, asTime) : format === 1 ? sessionInformation(asTime) : undefined;
      if (!data) throw new CheckCondition(SENSE.invalidFieldInCommand);
      task.reply(data, task.u16(7));
    },
  },
  {
    name: 'GET CONFIGURATION',
    usage: usage('46 03 ff ff 00 00 00 ff ff 00'),
    kind: 'cdrom',
    always: true,
    run(unit, task) {
      const which = task.u8(1) & 0x03;
      const from = task.u16(2);
      if (which === 3) throw new CheckCondition(SENSE.invalidFieldInCommand);
      const profile = currentProfile(unit);
      const all = features(profile);
      const chosen = all.filter(([code, isCurrent]) => (which === 2 ? code === from : code >= from && (which === 0 || isCurrent)));
      const body = chosen.flatMap(([, , bytes]) => bytes);
      const length = body.length + 4;
      const header = [0, 0, length >>> 8, length & 0xff, 0, 0, profile >>> 8, profile & 0xff];
      task.reply(Uint8Array.from([...header, ...body]), task.u16(7));
    },
  },
  {
    name: 'GET EVENT STATUS NOTIFICATION',
    usage: usage('4a 01 00 00 ff 00 00 ff ff 00'),
    kind: 'cdrom',
    always: true,
    run(unit, task) {
      // Only polling: nothing is told later.
      if ((task.u8(1) & 1) === 0) throw new CheckCondition(SENSE.invalidFieldInCommand);
      const supported = 1 << NOTIFICATION_MEDIA;
      if ((task.u8(4) & supported) === 0) {
        task.reply(Uint8Array.of(0, 2, NO_EVENT_AVAILABLE, supported), task.u16(7));
        return;
      }
      const status = (unit.trayOpen ? 1 : 0) | (unit.medium ? 2 : 0);
      const event = MEDIA_EVENT[unit.mediaEvent];
      // Told once; and only if there is room to tell it.
      if (task.u16(7) >= 8) unit.mediaEvent = 'none';
      task.reply(Uint8Array.of(0, 6, NOTIFICATION_MEDIA, supported, event, status, 0, 0), task.u16(7));
    },
  },
  {
    name: 'READ DISC INFORMATION',
    usage: usage('51 07 00 00 00 00 00 ff ff 00'),
    kind: 'cdrom',
    medium: true,
    run(_unit, task) {
      if ((task.u8(1) & 0x07) !== 0) throw new CheckCondition(SENSE.invalidFieldInCommand);
      const answer = new Uint8Array(34);
      answer[1] = answer.length - 2;
      // A finished disc whose last session is complete.
      answer[2] = 0x0e;
      // First track, sessions, and first and last track of the last session.
      answer.fill(1, 3, 7);
      task.reply(answer, task.u16(7));
    },
  },
  {
    name: 'READ CD',
    usage: usage('be 1c ff ff ff ff ff ff ff f8 07 00'),
    kind: 'cdrom',
    medium: true,
    async run(unit, task, { io }) {
      const [block, count, fields] = [task.u32(2), task.u24(6), task.u8(9) & 0xf8];
      if (block + count > unit.blocks) throw new CheckCondition(SENSE.addressOutOfRange);
      // An image holds nothing but the blocks' user data; no fields at all is a mere seek.
      if (fields !== 0 && (fields !== 0x10 || (task.u8(10) & 7) !== 0)) throw new CheckCondition(SENSE.invalidFieldInCommand);
      const target = task.into(fields === 0 ? 0 : count * unit.blockSize);
      if (target.length > 0 && unit.medium) await io.transferScatterGather(target, unit.medium, block * unit.blockSize);
    },
  },
  {
    name: 'SEEK(10)',
    usage: usage('2b 00 ff ff ff ff 00 00 00 00'),
    kind: 'cdrom',
    medium: true,
    run(unit, task) {
      if (task.u32(2) >= unit.blocks) throw new CheckCondition(SENSE.addressOutOfRange);
    },
  },
  // There is one speed.
  { name: 'SET CD SPEED', usage: usage('bb 03 ff ff ff ff 00 00 00 00 00 00'), kind: 'cdrom', run: () => undefined },
  {
    name: 'MECHANISM STATUS',
    usage: usage('bd 00 00 00 00 00 00 00 ff ff 00 00'),
    kind: 'cdrom',
    run(unit, task) {
      task.reply(Uint8Array.of(0, unit.trayOpen ? 0x10 : 0, 0, 0, 0, 0, 0, 0), task.u16(8));
    },
  },
];

function currentProfile(unit: LogicalUnit): number {
  if (!unit.medium) return 0;
  return unit.blocks > CD_BLOCKS ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

/** Features (MMC-6 §5.3): number, whether it is current, descriptor. */
function features(profile: number): [code: number, isCurrent: boolean, descriptor: number[]][] {
  const feature = (
    code: number,
    version: number,
    isPersistent: boolean,
    isCurrent: boolean,
    data: number[],
  ): [number, boolean, number[]] => {
    const flags = (version << 2) | (isPersistent ? 2 : 0) | (isCurrent ? 1 : 0);
    return [code, isCurrent, [code >>> 8, code & 0xff, flags, data.length, ...data]];
  };
  const listed = (code: number): number[] => [code >>> 8, code & 0xff, code === profile ? 1 : 0, 0];
  return [
    feature(0x0000, 0, true, true, [...listed(PROFILE_DVD_ROM), ...listed(PROFILE_CD_ROM)]),
    // Core: the physical interface is SCSI.
    feature(0x0001, 2, true, true, [0, 0, 0, 1, 1, 0, 0, 0]),
    // Removable medium: a tray that can be locked, and ejected by command.
    feature(0x0003, 1, true, true, [0x29, 0, 0, 0]),
    // Random readable, in blocks of 2048 bytes.
    feature(0x0010, 0, false, profile !== 0, [0, 0, 8, 0, 0, 1, 1, 0]),
    feature(0x001e, 2, false, profile === PROFILE_CD_ROM, [0, 0, 0, 0]),
    feature(0x001f, 1, false, profile === PROFILE_DVD_ROM, [0, 0, 0, 0]),
  ];
}

function address(block: number, asTime: boolean): number[] {
  if (!asTime) return [block >>> 24, (block >>> 16) & 0xff, (block >>> 8) & 0xff, block & 0xff];
  const frames = block + MSF_OFFSET;
  return [0, Math.min(Math.floor(frames / (60 * 75)), 0xff), Math.floor(frames / 75) % 60, frames % 75];
}

/** One data track, and the lead-out behind it. */
function tableOfContents(unit: LogicalUnit, first: number, asTime: boolean): Uint8Array | undefined {
  if (first > 1 && first !== LEAD_OUT) return undefined;
  const track = (number: number, block: number): number[] => [0, CONTROL_DATA_TRACK, number, 0, ...address(block, asTime)];
  const tracks = [...(first <= 1 ? track(1, 0) : []), ...track(LEAD_OUT, unit.blocks)];
  return Uint8Array.of(0, tracks.length + 2, 1, 1, ...tracks);
}

/** One session, which begins with track 1. */
function sessionInformation(asTime: boolean): Uint8Array {
  return Uint8Array.of(0, 10, 1, 1, 0, CONTROL_DATA_TRACK, 1, 0, ...address(0, asTime));
}
