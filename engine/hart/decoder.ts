import { HART_SLOTS, PAGE_RECORDS, RECORD_A, RECORD_B, RECORD_BYTES, RECORD_IMM, SLOT_BYTES, SLOT_HOST } from './hart-layout';
import { DECODED_PAGE_BYTES, MACHINE_EXTENSIONS_OFF } from '../memory/layout';
import { DECODE, handlerFor, ILLEGAL, NOP_2, NOP_4, PAGE_END, STRADDLE } from './handlers';
import { expandCompressed } from './isa/c';
import { instructions, lookUp } from './isa';
import { immediateOf, rdOf, rmOf, rs1Of, rs2Of, rs3Of } from './isa/instruction';
import { CSR_NO_WRITE } from './isa/system';

const PAGE_BYTES = 4096;

/**
 * Turns guest instructions into records for the interpreter: on demand, a run at a time, from the first record that is
 * reached up to the next jump. One instance per hart, working on that hart's decoded pages.
 */
export class Decoder {
  private readonly bytes: Uint8Array;
  private readonly halves: Uint16Array;
  private readonly words: Int32Array;

  constructor(
    memory: WebAssembly.Memory,
    /** Offset of the hart's area. */
    private readonly hart: number,
    /** Offset of the hart's decoded pages. */
    private readonly decoded: number,
  ) {
    this.bytes = new Uint8Array(memory.buffer);
    this.halves = new Uint16Array(memory.buffer);
    this.words = new Int32Array(memory.buffer);
  }

  /** Decode the instruction of a record and those that follow it. */
  decode(record: number): void {
    const slot = Math.floor((record - this.decoded) / DECODED_PAGE_BYTES);
    const page = this.words[(this.hart + HART_SLOTS + slot * SLOT_BYTES + SLOT_HOST) >>> 2] >>> 0;
    const first = this.decoded + slot * DECODED_PAGE_BYTES;
    let at = (record - first) / RECORD_BYTES;
    for (;;) {
      const place = first + at * RECORD_BYTES;
      if (at >= PAGE_RECORDS) {
        this.halves[place >>> 1] = PAGE_END;
        return;
      }
      if (this.halves[place >>> 1] !== DECODE) return;
      const half = this.halves[(page >>> 1) + at];
      if ((half & 3) !== 3) {
        if (this.write(place, expandCompressed(half), 2, at * 2)) return;
        at++;
      } else if (at === PAGE_RECORDS - 1) {
        this.halves[place >>> 1] = STRADDLE;
        return;
      } else {
        if (this.write(place, (half | (this.halves[(page >>> 1) + at + 1] << 16)) >>> 0, 4, at * 2)) return;
        at += 2;
      }
    }
  }

  /** Decode one instruction by itself into scratch records: one that straddles two pages, or must be fetched each time. */
  decodeAlone(place: number, word: number): void {
    const length = (word & 3) === 3 ? 4 : 2;
    this.write(place, length === 4 ? word : expandCompressed(word & 0xffff), length, -1);
    this.halves[(place + (length * RECORD_BYTES) / 2) >>> 1] = PAGE_END;
  }

  /**
   * Write a record. `offset`: of the instruction in its page, or -1 where branches must not be taken for near ones.
   * Returns whether the run of instructions ends here.
   */
  private write(place: number, word: number, length: 2 | 4, offset: number): boolean {
    const number = lookUp(word, this.words[MACHINE_EXTENSIONS_OFF >>> 2]);
    if (number < 0) {
      this.halves[place >>> 1] = ILLEGAL;
      return true;
    }
    const instruction = instructions[number];
    const { format, flow } = instruction;
    const rd = rdOf(word);
    const rs1 = rs1Of(word) * 8;
    const rs2 = rs2Of(word) * 8;
    if (instruction.pure && rd === 0) {
      this.halves[place >>> 1] = length === 2 ? NOP_2 : NOP_4;
      return false;
    }
    let a = rd * 8;
    let b = rs1;
    let immediate = immediateOf(format, word);
    let near = false;
    switch (format) {
      case 'r':
      case 'amo':
      case 'fence':
        immediate = rs2;
        break;
      case 'r4':
      case 'rm':
      case 'rm2': {
        const rm = rmOf(word);
        if (rm === 5 || rm === 6) {
          this.halves[place >>> 1] = ILLEGAL;
          return true;
        }
        immediate = rs2 | ((rs3Of(word) * 8) << 8) | (rm << 16);
        break;
      }
      case 's':
        a = rs2;
        break;
      case 'csr':
        if (rs1 === 0) immediate |= CSR_NO_WRITE;
        break;
      case 'csri':
        b = rs1 / 8;
        if (rs1 === 0) immediate |= CSR_NO_WRITE;
        break;
      case 'b':
      case 'j': {
        if (format === 'b') a = rs2;
        const target = offset + immediate;
        near = offset >= 0 && target >= 0 && target < PAGE_BYTES;
        // Within the page the immediate is the distance between records: 8 bytes for every 2 of code.
        if (near) immediate *= RECORD_BYTES / 2;
        break;
      }
      default:
    }
    this.bytes[place + RECORD_A] = a;
    this.bytes[place + RECORD_B] = b;
    this.words[(place + RECORD_IMM) >>> 2] = immediate;
    this.halves[place >>> 1] = handlerFor(number, length, rd === 0, near);
    return flow === 'jump';
  }
}
