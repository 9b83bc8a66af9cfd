import { blockCommands } from './block-commands';
import { type Command, type CommandContext, usage } from './command';
import type { LogicalUnit, UnitKind } from './logical-unit';
import { multimediaCommands } from './multimedia-commands';
import { primaryCommands } from './primary-commands';
import { CheckCondition, SENSE } from './sense';
import type { ScsiTask } from './task';

const ACTION_MASK = 0x1f;

/** SPC-5 §6.35: the table below, told to the driver. */
const reportSupportedOperationCodes: Command = {
  name: 'REPORT SUPPORTED OPERATION CODES',
  usage: usage('a3 0c 87 ff ff ff ff ff ff ff 00 00'),
  action: 0x0c,
  run({ kind }, task) {
    const options = task.u8(2) & 0x07;
    const [opcode, action] = [task.u8(3), task.u16(4)];
    if (options === 0) {
      const known = tables[kind].flatMap((row) => row ?? []);
      const answer = new DataView(new ArrayBuffer(4 + 8 * known.length));
      answer.setUint32(0, 8 * known.length);
      known.forEach((command, i) => {
        answer.setUint8(4 + 8 * i, command.usage[0]);
        answer.setUint16(6 + 8 * i, command.action ?? 0);
        answer.setUint8(9 + 8 * i, command.action === undefined ? 0 : 1);
        answer.setUint16(10 + 8 * i, command.usage.length);
      });
      task.reply(new Uint8Array(answer.buffer), task.u32(6));
      return;
    }
    if (options > 3) throw new CheckCondition(SENSE.invalidFieldInCommand);
    const row = tables[kind][opcode];
    const hasActions = row?.some((command) => command.action !== undefined) ?? false;
    // Each way of asking fits only operation codes with, or without, service actions.
    if (row && options !== 3 && hasActions !== (options === 2)) throw new CheckCondition(SENSE.invalidFieldInCommand);
    const command = row?.find((one) => (one.action ?? 0) === (hasActions ? action : 0));
    const data = command?.usage ?? new Uint8Array();
    task.reply(Uint8Array.of(0, command ? 3 : 1, 0, data.length, ...data), task.u32(6));
  },
};

const commands: readonly Command[] = [...primaryCommands, ...blockCommands, ...multimediaCommands, reportSupportedOperationCodes];

/** By operation code. */
type Table = (Command[] | undefined)[];

function tableOf(kind: UnitKind): Table {
  const table: Table = Array.from({ length: 256 }, () => undefined);
  for (const command of commands) {
    const [opcode] = command.usage;
    if (command.kind === undefined || command.kind === kind) table[opcode] = [...(table[opcode] ?? []), command];
  }
  return table;
}

const tables: Record<UnitKind, Table> = { disk: tableOf('disk'), cdrom: tableOf('cdrom') };

/** Carry out a command. Rejects with CheckCondition, with Overrun, or with the back end's DeviceError. */
export async function executeCommand(unit: LogicalUnit, task: ScsiTask, context: CommandContext): Promise<void> {
  const action = task.u8(1) & ACTION_MASK;
  const command = tables[unit.kind][task.opcode]?.find((one) => one.action === undefined || one.action === action);
  if (!command?.always) {
    const attention = unit.takeAttention();
    if (attention) throw new CheckCondition(attention);
  }
  if (!command) throw new CheckCondition(SENSE.invalidOperationCode);
  for (let i = 1; i < command.usage.length; i++) {
    if (task.u8(i) & ~command.usage[i]) throw new CheckCondition(SENSE.invalidFieldInCommand);
  }
  if (command.medium && !unit.medium) throw new CheckCondition(unit.trayOpen ? SENSE.noMediumTrayOpen : SENSE.noMediumTrayClosed);
  if (command.writes && unit.readonly) throw new CheckCondition(SENSE.writeProtected);
  await command.run(unit, task, context);
}
