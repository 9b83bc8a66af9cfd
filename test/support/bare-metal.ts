import { writeFileSync } from 'node:fs';
import { Assembler, Label } from './assembler';
import { buildElf, type ElfPart } from './elf-builder';
import { bType, iType, jType, sType, uType } from './riscv-encoding';

export const RAM = 0x80000000;
export const FINISHER = 0x100000;
/** Where programs of `writeBareMetal` have `tohost`, and `fromhost` 8 bytes further. */
export const HTIF_WORDS = RAM + 0x10000;

export const [T0, T1, T2, S0, S1, A0, A1] = [5, 6, 7, 8, 9, 10, 11];

/** A bare-metal program for the start of RAM, by the few instructions that tests need. */
export class BareMetal extends Assembler {
  /** Any integer from −2^31 to 2^53 − 1; what does not fit into 32 bits, such as an address in RAM, takes more instructions. */
  li(rd: number, value: number): void {
    const low = (value << 20) >> 20;
    if (value === (value | 0)) {
      this.word(uType(0x37, rd, ((value - low) >>> 12) & 0xfffff));
      this.word(iType(0x1b, 0, rd, rd, low)); // addiw
      return;
    }
    this.li(rd, (value - low) / 4096);
    this.word(iType(0x13, 1, rd, rd, 12)); // slli
    if (low !== 0) this.addi(rd, rd, low);
  }
  addi(rd: number, rs1: number, immediate: number): void {
    this.word(iType(0x13, 0, rd, rs1, immediate));
  }
  /** The address of a label, up to 2 GiB away. */
  la(rd: number, label: Label): void {
    this.reference(4, label, (distance) => uType(0x17, rd, ((distance + 0x800) >>> 12) & 0xfffff));
    this.reference(4, label, (distance) => iType(0x13, 0, rd, rd, ((distance + 4) << 20) >> 20));
  }
  store(size: 1 | 2 | 4 | 8, rs2: number, base: number, offset = 0): void {
    this.word(sType(0x23, { 1: 0, 2: 1, 4: 2, 8: 3 }[size], base, rs2, offset));
  }
  /** Unsigned, but for words, which are sign-extended. */
  load(size: 1 | 2 | 4 | 8, rd: number, base: number, offset = 0): void {
    this.word(iType(0x03, { 1: 4, 2: 5, 4: 2, 8: 3 }[size], rd, base, offset));
  }
  /** Store a constant at an address. */
  poke(size: 1 | 2 | 4 | 8, address: number, value: number): void {
    this.li(T0, address);
    this.li(T1, value);
    this.store(size, T1, T0);
  }
  csrw(csr: number, rs1: number): void {
    this.word(iType(0x73, 1, 0, rs1, csr));
  }
  csrr(rd: number, csr: number): void {
    this.word(iType(0x73, 2, rd, 0, csr));
  }
  wfi(): void {
    this.word(0x10500073);
  }
  branch(kind: 'beq' | 'bne' | 'bltu', rs1: number, rs2: number, label: Label): void {
    this.reference(4, label, (distance) => bType({ beq: 0, bne: 1, bltu: 6 }[kind], rs1, rs2, distance));
  }
  jump(label: Label): void {
    this.reference(4, label, (distance) => jType(0, distance));
  }
  /** Jump back to here. */
  loop(): { again: () => void } {
    const start = new Label();
    this.place(start);
    return { again: () => this.jump(start) };
  }
  /** Zeros up to a multiple of `bytes`, an even number. */
  align(bytes: number): void {
    while (this.offset % bytes !== 0) this.half(0);
  }
  /** End the machine with an exit code. */
  exit(code: number): void {
    this.poke(4, FINISHER, code === 0 ? 0x5555 : (code << 16) | 0x3333);
    this.wait();
  }
  wait(): void {
    const { again } = this.loop();
    this.wfi();
    again();
  }
}

/** Write a program into an ELF file, with HTIF words in the page behind it unless told otherwise. */
export function writeBareMetal(
  path: string,
  write: (program: BareMetal) => void,
  { parts, symbols }: { parts: ElfPart[]; symbols: Record<string, number> } = {
    parts: [{ address: HTIF_WORDS, bytes: new Uint8Array(64) }],
    symbols: { tohost: HTIF_WORDS, fromhost: HTIF_WORDS + 8 },
  },
): void {
  const program = new BareMetal();
  write(program);
  writeFileSync(path, buildElf({ entry: RAM, parts: [{ address: RAM, bytes: program.bytes() }, ...parts], symbols }));
}
