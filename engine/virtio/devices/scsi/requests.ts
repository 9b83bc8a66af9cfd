import type { ScatterGatherList } from '../../../memory/scatter-gather-list';

/** Layout of requests and answers (virtio 1.3 §5.6.6), as offsets in bytes. */

/** `lun` of every request: one fixed byte, the target, and a logical unit number of SAM's flat or peripheral kind. */
export interface UnitAddress {
  target: number;
  lun: number;
}

const LUN_FORMAT = 1;
const LUN_MASK = 0x3fff;
export const LUN_FLAT = 0x4000;

/** The address at byte `at` of a request; undefined where it is none that a device can have (§5.6.6.1). */
export function readAddress(list: ScatterGatherList, at: number): UnitAddress | undefined {
  if (list.readU8(at) !== LUN_FORMAT || list.readU32(at + 4) !== 0) return undefined;
  const field = (list.readU8(at + 2) << 8) | list.readU8(at + 3);
  return field >>> 14 > 1 ? undefined : { target: list.readU8(at + 1), lun: field & LUN_MASK };
}

/** As REPORT LUNS does it, which is what Linux compares with: small numbers of the peripheral kind, larger ones of the flat kind. */
export function writeAddress(bytes: Uint8Array, at: number, { target, lun }: UnitAddress): void {
  const field = lun < 256 ? lun : lun | LUN_FLAT;
  bytes.set([LUN_FORMAT, target, field >>> 8, field & 0xff, 0, 0, 0, 0], at);
}

/** A command: address, id, task attribute, priority, CRN; then the command descriptor block, then data. */
export const COMMAND_ID = 8;
export const COMMAND_CDB = 19;
/** Its answer: this many bytes, then sense data, then data. */
export const ANSWER_BYTES = 12;
export const ANSWER_RESIDUAL = 4;
export const ANSWER_STATUS = 10;
export const ANSWER_RESPONSE = 11;

export const STATUS_GOOD = 0x00;
export const STATUS_CHECK_CONDITION = 0x02;

export const RESPONSE_OK = 0;
export const RESPONSE_OVERRUN = 1;
export const RESPONSE_BAD_TARGET = 3;
export const RESPONSE_RESET = 4;
export const RESPONSE_FAILURE = 9;
export const RESPONSE_FUNCTION_SUCCEEDED = 10;
export const RESPONSE_FUNCTION_REJECTED = 11;
export const RESPONSE_INCORRECT_LUN = 12;

/** Requests of the control queue: type, and for task management: subtype, address, id. Answer: a byte. */
export const CONTROL_TMF = 0;
export const CONTROL_NOTIFICATION_QUERY = 1;
export const CONTROL_NOTIFICATION_SUBSCRIBE = 2;
export const TMF_SUBTYPE = 4;
export const TMF_ADDRESS = 8;
export const TMF_ID = 16;
export const TMF_BYTES = 24;
export const TMF_ABORT_TASK = 0;
export const TMF_ABORT_TASK_SET = 1;
export const TMF_CLEAR_ACA = 2;
export const TMF_CLEAR_TASK_SET = 3;
export const TMF_NEXUS_RESET = 4;
export const TMF_UNIT_RESET = 5;
export const TMF_QUERY_TASK = 6;
export const TMF_QUERY_TASK_SET = 7;
/** Asynchronous notifications: type, address, the events asked for. Answer: the events that there are, and a byte. */
export const NOTIFICATION_ADDRESS = 4;
export const NOTIFICATION_EVENTS = 12;
export const NOTIFICATION_BYTES = 16;

/** Events: number, address, reason. */
export const EVENT_BYTES = 16;
export const EVENT_MISSED = 0x8000_0000;
export const EVENT_NONE = 0;
export const EVENT_TRANSPORT_RESET = 1;
export const EVENT_ASYNC_NOTIFY = 2;
export const EVENT_PARAMETER_CHANGE = 3;
export const REASON_RESCAN = 1;
export const REASON_REMOVED = 2;
/** The asynchronous notification of changed media. */
export const NOTIFY_MEDIA_CHANGE = 16;
