import { type Command, usage } from './command';
import { inquiryData, vitalProductData } from './inquiry';
import { LUN_FLAT } from './requests';
import { modeSelect, modeSense } from './mode-pages';
import { CheckCondition, SENSE, senseData } from './sense';

const EVPD = 0x01;
const DESCRIPTOR_FORMAT = 0x01;

/** What every kind of unit knows (SPC-5 §6). */
export const primaryCommands: readonly Command[] = [
  { name: 'TEST UNIT READY', usage: usage('00 00 00 00 00 00'), medium: true, run: () => undefined },
  {
    name: 'REQUEST SENSE',
    usage: usage('03 01 00 00 ff 00'),
    always: true,
    run(unit, task) {
      task.reply(senseData(unit.takeAttention() ?? SENSE.none, (task.u8(1) & DESCRIPTOR_FORMAT) !== 0), task.u8(4));
    },
  },
  {
    name: 'INQUIRY',
    usage: usage('12 01 ff ff ff 00'),
    always: true,
    run(unit, task) {
      const page = task.u8(2);
      const wantsPage = (task.u8(1) & EVPD) !== 0;
      const data = wantsPage ? vitalProductData(unit, page) : page === 0 ? inquiryData(unit.kind) : undefined;
      if (!data) throw new CheckCondition(SENSE.invalidFieldInCommand);
      task.reply(data, task.u16(3));
    },
  },
  {
    name: 'MODE SELECT(6)',
    usage: usage('15 10 00 00 ff 00'),
    run: (unit, task) => modeSelect(unit, task, { header: 4, length: task.u8(4) }),
  },
  {
    name: 'MODE SELECT(10)',
    usage: usage('55 10 00 00 00 00 00 ff ff 00'),
    run: (unit, task) => modeSelect(unit, task, { header: 8, length: task.u16(7) }),
  },
  {
    name: 'MODE SENSE(6)',
    usage: usage('1a 08 ff ff ff 00'),
    run: (unit, task) => modeSense(unit, task, { header: 4, length: task.u8(4) }),
  },
  {
    name: 'MODE SENSE(10)',
    usage: usage('5a 18 ff ff 00 00 00 ff ff 00'),
    run: (unit, task) => modeSense(unit, task, { header: 8, length: task.u16(7) }),
  },
  {
    name: 'PREVENT ALLOW MEDIUM REMOVAL',
    usage: usage('1e 00 00 00 03 00'),
    run(unit, task) {
      unit.locked = (task.u8(4) & 1) !== 0;
    },
  },
  {
    name: 'REPORT LUNS',
    usage: usage('a0 00 ff 00 00 00 ff ff ff ff 00 00'),
    always: true,
    run(_unit, task, { luns }) {
      const select = task.u8(2);
      const length = task.u32(6);
      if (select > 2 || length < 16) throw new CheckCondition(SENSE.invalidFieldInCommand);
      // Select 1 asks for the well-known units, of which there are none.
      const listed = select === 1 ? [] : luns;
      const answer = new DataView(new ArrayBuffer(8 + 8 * listed.length));
      answer.setUint32(0, 8 * listed.length);
      for (const [i, lun] of listed.entries()) answer.setUint16(8 + 8 * i, lun < 256 ? lun : lun | LUN_FLAT);
      task.reply(new Uint8Array(answer.buffer), length);
    },
  },
];
