import { readU16, writeU16, writeU32 } from '../../checksum';
import { parseAddress } from '../addresses';

export const A = 1;
export const AAAA = 28;
const IN = 1;
const OPT = 41;
const HEADER = 12;

export const NO_ERROR = 0;
export const FORMAT_ERROR = 1;
export const SERVER_FAILURE = 2;
export const NO_SUCH_NAME = 3;
export const NOT_IMPLEMENTED = 4;
export const REFUSED = 5;

/** What a query asks (RFC 1035 §4.1). */
export interface Question {
  /** As text, without the dot at its end; labels with odd bytes in them have no text. */
  name: string;
  type: number;
  class: number;
  /** Behind the question, in the message. */
  end: number;
  /** Bytes of an answer by UDP that the asker takes. */
  limit: number;
  hasOpt: boolean;
}

/** Reads a query. undefined: it is none, and gets no answer; a number: an error to answer with. */
export function readQuery(message: Uint8Array): Question | number | undefined {
  if (message.length < HEADER || message[2] & 0x80) return undefined;
  if ((message[2] >> 3) & 15) return NOT_IMPLEMENTED;
  if (readU16(message, 4) !== 1) return FORMAT_ERROR;
  const labels: string[] = [];
  let at = HEADER;
  for (;;) {
    const length = message[at];
    // A name in a question has nothing to point to.
    if (length === undefined || length > 63 || at + 1 + length > message.length || at - HEADER > 255) return FORMAT_ERROR;
    at++;
    if (length === 0) break;
    labels.push(Buffer.from(message.subarray(at, at + length)).toString('latin1'));
    at += length;
  }
  if (at + 4 > message.length) return FORMAT_ERROR;
  const name = labels.join('.');
  if (name.length > 253) return FORMAT_ERROR;
  const question: Question = {
    name,
    type: readU16(message, at),
    class: readU16(message, at + 2),
    end: at + 4,
    limit: 512,
    hasOpt: false,
  };
  // EDNS (RFC 6891) stands first among the additional records, as a record of the root.
  const opt = question.end;
  if (readU16(message, 6) === 0 && readU16(message, 8) === 0 && readU16(message, 10) > 0 && opt + 11 <= message.length) {
    if (message[opt] === 0 && readU16(message, opt + 1) === OPT) {
      question.hasOpt = true;
      question.limit = Math.min(Math.max(readU16(message, opt + 3), 512), 1232);
    }
  }
  return question;
}

/** Whether the name can be given to the system's resolver, which takes text. */
export function isPlainName(name: string): boolean {
  return /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/i.test(name);
}

export function isInternet(question: Question): boolean {
  return question.class === IN;
}

/** An answer to a query, with addresses of its type. What does not fit into `limit` is left out, and the answer says so. */
export function answerTo(
  query: Uint8Array,
  question: Question | undefined,
  code: number,
  addresses: readonly string[],
  seconds: number,
  limit: number,
): Uint8Array {
  const end = question?.end ?? HEADER;
  const optLength = question?.hasOpt ? 11 : 0;
  const records: Uint8Array[] = [];
  let length = end + optLength;
  let truncated = false;
  for (const address of addresses.slice(0, 256)) {
    const data = parseAddress(address);
    if (!data) continue;
    if (length + 12 + data.length > limit) {
      truncated = true;
      break;
    }
    const record = new Uint8Array(12 + data.length);
    // The name of the question.
    writeU16(record, 0, 0xc000 | HEADER);
    writeU16(record, 2, data.length === 4 ? A : AAAA);
    writeU16(record, 4, IN);
    writeU32(record, 6, seconds);
    writeU16(record, 10, data.length);
    record.set(data, 12);
    records.push(record);
    length += record.length;
  }
  const message = new Uint8Array(length);
  message.set(query.subarray(0, Math.min(end, query.length)));
  // An answer, with the asker's opcode and wish for recursion, which is to be had.
  message[2] = 0x80 | (query[2] & 0x79) | (truncated ? 2 : 0);
  message[3] = 0x80 | code;
  writeU16(message, 4, question ? 1 : 0);
  writeU16(message, 6, records.length);
  writeU16(message, 8, 0);
  writeU16(message, 10, optLength > 0 ? 1 : 0);
  let at = end;
  for (const record of records) {
    message.set(record, at);
    at += record.length;
  }
  if (optLength > 0) {
    writeU16(message, at + 1, OPT);
    writeU16(message, at + 3, 1232);
  }
  return message;
}

/** What a name server's answer says of how it went. */
export function codeOf(answer: Uint8Array): number {
  return answer[3] & 15;
}

/** Whether an answer of a name server belongs to that query: same question, and the number that we gave it. */
export function belongsTo(answer: Uint8Array, query: Uint8Array, question: Question, id: number): boolean {
  if (answer.length < question.end || readU16(answer, 0) !== id || !(answer[2] & 0x80) || readU16(answer, 4) !== 1) return false;
  for (let at = HEADER; at < question.end; at++) {
    const one = answer[at];
    const other = query[at];
    // Letters of the name may come back in another case.
    if (one !== other && !((one ^ other) === 0x20 && (one | 0x20) >= 0x61 && (one | 0x20) <= 0x7a && at < question.end - 4)) return false;
  }
  return true;
}

/** The header and the question of a long answer, marked as cut: the asker comes again by TCP. */
export function cut(answer: Uint8Array, question: Question): Uint8Array {
  const message = answer.slice(0, question.end);
  message[2] |= 2;
  writeU16(message, 6, 0);
  writeU16(message, 8, 0);
  writeU16(message, 10, 0);
  return message;
}
