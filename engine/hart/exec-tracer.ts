import { HART_PC, HART_X } from '../memory/layout';
import { FunctionNames, type NamedFunction } from './function-names';
import { HART_PRIV } from './hart-layout';
import { disassemble } from './isa/disassemble';
import { F_NAMES, X_NAMES } from './register-names';

/** What of a hart's execution is traced. */
export interface ExecTrace {
  /** From when on: the virtual address of an instruction. From the first on without it. */
  from?: bigint | undefined;
  /** Names for what is executed. */
  functions?: readonly NamedFunction[];
}

/** Lines in one bundle: each bundle is a message to another thread. */
const BUNDLE = 64;
const WFI = 0x10500073;
const PRIVILEGES = ['U', 'S', '?', 'M'];
const hex = (value: bigint | number, digits: number): string => value.toString(16).padStart(digits, '0');

/**
 * Writes a line for each instruction of a hart, when it is done:
 * `exec hart 0 M 0000000080000004 00a28293 addi t0,t0,10                <start+0x4> t0=000000000000000a`
 * — privilege, address, encoding, what it is, where that is, and the registers that it changed. One that raises an exception changes none.
 */
export class ExecTracer {
  private readonly data: DataView;
  /** The registers x and f, two words each, and what they were. */
  private readonly registers: Int32Array;
  private readonly before: Int32Array;
  private readonly names: FunctionNames;
  /** The instruction under way, without what it changes. */
  private pending = '';
  private lines: string[] = [];

  constructor(
    memory: WebAssembly.Memory,
    private readonly id: number,
    private readonly base: number,
    /** Where the half-word so many bytes behind HART_PC lies in the memory; 0 where it cannot be fetched. */
    private readonly fetch: (offset: 0 | 2) => number,
    functions: readonly NamedFunction[],
    private readonly deliver: (lines: string) => void,
  ) {
    this.data = new DataView(memory.buffer);
    this.registers = new Int32Array(memory.buffer, base + HART_X, (HART_PC - HART_X) / 4);
    this.before = this.registers.slice();
    this.names = new FunctionNames(functions);
  }

  /** The hart is about to execute the instruction at HART_PC, whose first half-word can be fetched. */
  instruction(): void {
    const { data, base } = this;
    this.finish();
    this.before.set(this.registers);
    const pc = data.getBigUint64(base + HART_PC, true);
    let word = data.getUint16(this.fetch(0), true);
    const isShort = (word & 3) !== 3;
    const rest = isShort ? 0 : this.fetch(2);
    // Else the fetch of the second half is about to fault.
    if (rest !== 0) word = (word | (data.getUint16(rest, true) << 16)) >>> 0;
    const code = isShort || rest === 0 ? `    ${hex(word, 4)}` : hex(word, 8);
    const privilege = PRIVILEGES[data.getUint32(base + HART_PRIV, true)];
    const text = rest === 0 && !isShort ? 'cannot be fetched' : disassemble(word, pc);
    this.pending = `exec hart ${this.id} ${privilege} ${hex(pc, 16)} ${code} ${text.padEnd(26)}${this.placeOf(pc)}`;
    // It may be long before the hart wakes.
    if (word === WFI) this.flush();
  }

  /** Hand on what there is: another line is to come behind these, or none for some time. */
  flush(): void {
    this.finish();
    if (this.lines.length === 0) return;
    const { lines } = this;
    this.lines = [];
    this.deliver(lines.join('\n'));
  }

  private finish(): void {
    if (this.pending === '') return;
    const line = `${this.pending}${this.changes()}`;
    this.pending = '';
    this.lines.push(line.trimEnd());
    if (this.lines.length >= BUNDLE) this.flush();
  }

  private placeOf(pc: bigint): string {
    const found = this.names.at(pc);
    if (!found) return '';
    return pc === found.address ? ` <${found.name}>` : ` <${found.name}+0x${(pc - found.address).toString(16)}>`;
  }

  private changes(): string {
    const { registers, before, data, base } = this;
    let text = '';
    for (let word = 2; word < registers.length; word += 2) {
      if (registers[word] === before[word] && registers[word + 1] === before[word + 1]) continue;
      const number = word >>> 1;
      const value = data.getBigUint64(base + HART_X + 8 * number, true);
      text += ` ${number < 32 ? X_NAMES[number] : F_NAMES[number - 32]}=${hex(value, 16)}`;
    }
    return text;
  }
}
