import { csrName } from './csr-names';
import { disassemble } from './isa/disassemble';
import { extensionBit } from './isa/extensions';
import { instructions, lookUp } from './isa/index';
import { expandCompressed } from './isa/c';
import { rmOf } from './isa/instruction';

/** What of a hart's state says why an instruction was illegal. */
export interface IllegalContext {
  /** 0 U, 1 S, 3 M. */
  privilege: number;
  floatIsOff: boolean;
  mcounteren: bigint;
  scounteren: bigint;
  /** What the machine does without, as MACHINE_EXTENSIONS_OFF. */
  extensionsOff: number;
}

/** Why an instruction was illegal, in words; `key` is the same for all of one kind, which need not be told again. */
export interface Explanation {
  key: string;
  text: string;
  /** It is a CSR that firmware looks for, and does without. */
  isProbe: boolean;
}

/**
 * Encodings of extensions that the harts have not, or not all: mask, match, extension, what it is. The first that fits counts. (Unprivileged ISA,
 * chapters of the extensions; the vector ISA's opcodes; riscv-opcodes for the rest.)
 */
const EXTENSIONS: [mask: number, match: number, extension: string, what: string][] = [
  [0x0000007f, 0x57, 'V', 'a vector instruction'],
  [0xfe0f707f, 0x0a00500b, 'XTheadBb', 'an instruction of T-Head'],
  [0x0000007f, 0x0b, 'custom-0', 'an instruction of its vendor'],
  [0x0000007f, 0x2b, 'custom-1', 'an instruction of its vendor'],
  [0x0000007f, 0x5b, 'custom-2', 'an instruction of its vendor'],
  [0x0000007f, 0x7b, 'custom-3', 'an instruction of its vendor'],
  // Vector loads and stores have widths that loads and stores of floating point have not.
  ...([0x07, 0x27] as const).flatMap((opcode): [number, number, string, string][] => [
    [0x707f, opcode, 'V', 'a vector load or store'],
    [0x707f, opcode | 0x5000, 'V', 'a vector load or store'],
    [0x707f, opcode | 0x6000, 'V', 'a vector load or store'],
    [0x707f, opcode | 0x7000, 'V', 'a vector load or store'],
    [0x707f, opcode | 0x1000, 'Zfh', 'half-precision floating point'],
    [0x707f, opcode | 0x4000, 'Q', 'quadruple-precision floating point'],
  ]),
  [0x0600007f, 0x04000053, 'Zfh', 'half-precision floating point'],
  [0x0600007f, 0x06000053, 'Q', 'quadruple-precision floating point'],
  ...([0x43, 0x47, 0x4b, 0x4f] as const).flatMap((opcode): [number, number, string, string][] => [
    [0x0600007f, opcode | 0x04000000, 'Zfh', 'half-precision floating point'],
    [0x0600007f, opcode | 0x06000000, 'Q', 'quadruple-precision floating point'],
  ]),
  [0xfff0707f, 0xf0100053 & ~0x7000, 'Zfa', 'additional floating point'],
  [0xfff0707f, 0xf2100053 & ~0x7000, 'Zfa', 'additional floating point'],
  [0xfff0007f, 0x40400053, 'Zfa', 'additional floating point'],
  [0xfff0007f, 0x42400053, 'Zfa', 'additional floating point'],
  [0xfe00607f, 0x28002053, 'Zfa', 'additional floating point'],
  [0xfe00607f, 0x2a002053, 'Zfa', 'additional floating point'],
  [0xfe00707f, 0x0a001033, 'Zbc', 'carry-less multiplication'],
  [0xfe00707f, 0x0a002033, 'Zbc', 'carry-less multiplication'],
  [0xfe00707f, 0x0a003033, 'Zbc', 'carry-less multiplication'],
  [0xfe00707f, 0x0e005033, 'Zicond', 'a conditional operation'],
  [0xfe00707f, 0x0e007033, 'Zicond', 'a conditional operation'],
  [0xfe00707f, 0x08004033, 'Zbkb', 'bit manipulation for cryptography'],
  [0xfe00707f, 0x08007033, 'Zbkb', 'bit manipulation for cryptography'],
  [0xfe00707f, 0x0800403b, 'Zbkb', 'bit manipulation for cryptography'],
  [0xfff0707f, 0x68705013, 'Zbkb', 'bit manipulation for cryptography'],
  [0xfe00707f, 0x28002033, 'Zbkx', 'bit manipulation for cryptography'],
  [0xfe00707f, 0x28004033, 'Zbkx', 'bit manipulation for cryptography'],
  [0xfe00707f, 0x32000033, 'Zkne', 'AES'],
  [0xfe00707f, 0x36000033, 'Zkne', 'AES'],
  [0xfe00707f, 0x3a000033, 'Zknd', 'AES'],
  [0xfe00707f, 0x3e000033, 'Zknd', 'AES'],
  [0xfe00707f, 0x7e000033, 'Zkne or Zknd', 'AES'],
  [0xff00707f, 0x31001013, 'Zkne or Zknd', 'AES'],
  [0xfff0707f, 0x30001013, 'Zknd', 'AES'],
  [0xffc0707f, 0x10001013, 'Zknh', 'SHA-256'],
  [0xffc0707f, 0x10401013, 'Zknh', 'SHA-512'],
  [0xffe0707f, 0x10801013, 'Zksh', 'SM3'],
  [0x3e00707f, 0x30000033, 'Zksed', 'SM4'],
  [0x3e00707f, 0x34000033, 'Zksed', 'SM4'],
  [0xfff07fff, 0x0000200f, 'Zicbom', 'cache-block management'],
  [0xfff07fff, 0x0010200f, 'Zicbom', 'cache-block management'],
  [0xfff07fff, 0x0020200f, 'Zicbom', 'cache-block management'],
  [0xfff07fff, 0x0040200f, 'Zicboz', 'zeroing a cache block'],
  [0xffffffff, 0x00d00073, 'Zawrs', 'waiting for a reservation'],
  [0xffffffff, 0x01d00073, 'Zawrs', 'waiting for a reservation'],
  [0xffffffff, 0x70200073, 'Smrnmi', 'returning from a non-maskable interrupt'],
  [0xffffffff, 0x7b200073, 'Sdext', 'returning from debug mode'],
  [0xfe007fff, 0x16000073, 'Svinval', 'invalidating translations'],
  [0xffffffff, 0x18000073, 'Svinval', 'invalidating translations'],
  [0xffffffff, 0x18100073, 'Svinval', 'invalidating translations'],
  [0xfe007fff, 0x22000073, 'H', 'the hypervisor extension'],
  [0xfe007fff, 0x62000073, 'H', 'the hypervisor extension'],
  [0xfe007fff, 0x26000073, 'H and Svinval', 'the hypervisor extension'],
  [0xfe007fff, 0x66000073, 'H and Svinval', 'the hypervisor extension'],
  [0xf000707f, 0x60004073, 'H', 'the hypervisor extension'],
  [0xb200707f, 0x80004073, 'Zimop', 'an operation that may be'],
  [0xf800607f, 0x2800202f, 'Zacas', 'compare-and-swap'],
  [0xf800707f, 0x2800402f, 'Zacas', 'compare-and-swap'],
  [0x0000607f, 0x0000002f, 'Zabha', 'atomic operations on bytes and half-words'],
  [0xf800707f, 0x4800302f, 'Zicfiss', 'a shadow stack'],
  [0xf800707f, 0x4800202f, 'Zicfiss', 'a shadow stack'],
  [0x0000707f, 0x0000400f, 'RV128', 'a load of 128 bits'],
];

const SHORT_EXTENSIONS: [mask: number, match: number, extension: string, what: string][] = [
  [0xfc00, 0x8000, 'Zcb', 'a compressed instruction'],
  [0xfc00, 0x8400, 'Zcb', 'a compressed instruction'],
  [0xfc00, 0x8800, 'Zcb', 'a compressed instruction'],
  [0xfc00, 0x8c00, 'Zcb', 'a compressed instruction'],
  [0xfc43, 0x9c41, 'Zcb', 'a compressed instruction'],
  [0xf8ff, 0x6081, 'Zcmop', 'an operation that may be'],
  [0xe003, 0xa002, 'Zcmp or Zcmt', 'a compressed instruction of embedded harts'],
];

/** CSRs by the extension that has them. */
const CSR_EXTENSIONS: [first: number, last: number, extension: string][] = [
  [0x008, 0x00f, 'V'],
  [0xc20, 0xc22, 'V'],
  [0x015, 0x015, 'Zkr'],
  [0x017, 0x017, 'Zcmt'],
  [0x011, 0x011, 'Zicfiss'],
  [0x10c, 0x10f, 'Ssstateen'],
  [0x30c, 0x30f, 'Smstateen'],
  [0x120, 0x120, 'Smcdeleg'],
  [0xda0, 0xda0, 'Sscofpmf'],
  [0x721, 0x73f, 'Sscofpmf'],
  [0x747, 0x757, 'Smepmp'],
  [0x740, 0x744, 'Smrnmi'],
  [0x14d, 0x14d, 'Sstc'],
  [0x5a8, 0x5a8, 'Sdtrig'],
  [0x7a0, 0x7a8, 'Sdtrig'],
  [0x7b0, 0x7b3, 'Sdext'],
  [0x200, 0x2ff, 'H'],
  [0x600, 0x6ff, 'H'],
  [0xe12, 0xe12, 'H'],
  [0x34a, 0x34b, 'H'],
  [0x150, 0x15c, 'Ssaia'],
  [0xdb0, 0xdb0, 'Ssaia'],
  [0x350, 0x35c, 'Smaia'],
  [0xfb0, 0xfb0, 'Smaia'],
];

/** How an extension comes to the harts, where an option has a say. */
const OPTIONS: Record<string, string | undefined> = { Ssaia: 'the option --aia aplic-imsic', Smaia: 'the option --aia aplic-imsic' };

const MODES: Record<number, string> = { 0: 'user', 1: 'supervisor', 3: 'machine' };
const LEVELS = ['user', 'supervisor', 'hypervisor', 'machine'];
const COUNTERS = 0xc00;

/** Say why. `word`: the instruction, 16 or 32 bits. */
export function explainIllegal(word: number, pc: bigint, context: IllegalContext): Explanation {
  const mode = MODES[context.privilege];
  const isShort = (word & 3) !== 3;
  const shown = isShort ? `0x${(word & 0xffff).toString(16).padStart(4, '0')}` : `0x${(word >>> 0).toString(16).padStart(8, '0')}`;
  const say = (key: string, why: string, isProbe = false): Explanation => ({
    key,
    text: `Illegal instruction ${shown} at 0x${pc.toString(16)} in ${mode} mode: ${why}.`,
    isProbe,
  });
  if (word === 0 || (isShort && (word & 0xffff) === 0))
    return say('zeros', 'it is all zeros, so this is no code: the program jumped to memory that was not loaded, or was cleared');
  if (word >>> 0 === 0xffffffff || (isShort && word === 0xffff))
    return say('ones', 'it is all ones, so this is no code: erased flash, or no memory');

  const full = isShort ? expandCompressed(word & 0xffff) : word;
  const number = full === 0 ? -1 : lookUp(full);
  if (number < 0) return unknownEncoding(word, isShort, say);

  const instruction = instructions[number];
  const text = disassemble(word, pc);
  const { name, extension } = instruction;
  if ((extensionBit(extension) & context.extensionsOff) !== 0)
    return say(`off ${extension}`, `${text} needs the extension ${extension}, which the option --extensions-off leaves out`);
  if (extension === 'zicbom' || extension === 'zicboz') {
    const enable = extension === 'zicboz' ? 'CBZE' : name === 'cbo.inval' ? 'CBIE' : 'CBCFE';
    return say(`${name} enable`, `${text} is not enabled for ${mode} mode: ${enable} of menvcfg (and of senvcfg for user mode) is 0`);
  }
  if (extension === 'zicsr') return csr(full, text, context, say);
  if (instruction.fp && context.floatIsOff)
    return say('fs', `${text} needs floating point, which is switched off: set mstatus.FS (sstatus.FS) to 1 or more first`);
  if ('rm rm2 r4'.split(' ').includes(instruction.format)) {
    const reserved = rmOf(full) === 5 || rmOf(full) === 6;
    return say(
      'rounding',
      `${text} has ${reserved ? 'a reserved rounding mode' : 'its rounding mode from frm, which holds a reserved one'}`,
    );
  }
  if (name === 'mret') return say('mret', 'mret returns from machine mode, and is for machine mode only');
  if (name === 'sret' || name === 'wfi' || name === 'sfence.vma' || name === 'sinval.vma') {
    const bit = { sret: 'TSR', wfi: 'TW', 'sfence.vma': 'TVM', 'sinval.vma': 'TVM' }[name];
    return say(
      name,
      context.privilege === 0
        ? `${name} is not for user mode`
        : `${name} is kept from supervisor mode by mstatus.${bit}, which machine mode has set`,
    );
  }
  return say(`other ${name}`, `${text} is not allowed here`);
}

function unknownEncoding(word: number, isShort: boolean, say: (key: string, why: string) => Explanation): Explanation {
  const rows = isShort ? SHORT_EXTENSIONS : EXTENSIONS;
  const row = rows.find(([mask, match]) => ((word ^ match) & mask) === 0);
  if (!row) return say('unknown', 'no extension that is known here has it; it may be data, not code');
  const [, , extension, what] = row;
  const vendor = extension.startsWith('custom') || extension.startsWith('X');
  return say(
    extension,
    vendor
      ? `it is ${what} (${extension}), which this machine cannot know. Build the program for the machine: -march=rv64gc`
      : `it needs the extension ${extension} (${what}), which the harts of this machine do not have. Build the program without it: -march=rv64gc`,
  );
}

function csr(
  word: number,
  text: string,
  context: IllegalContext,
  say: (key: string, why: string, isProbe?: boolean) => Explanation,
): Explanation {
  const number = word >>> 20;
  const name = csrName(number);
  const level = (number >> 8) & 3;
  const key = `csr ${number}`;
  const extension = CSR_EXTENSIONS.find(([first, last]) => number >= first && number <= last)?.[2];
  if (level > context.privilege)
    return say(`${key} privilege`, `${text} needs ${LEVELS[level]} mode, to which the register ${name} belongs`);
  if (number >= COUNTERS && number < COUNTERS + 32) {
    const bit = BigInt(number - COUNTERS);
    const allowed = (enables: bigint): boolean => ((enables >> bit) & 1n) === 1n;
    const closed = !allowed(context.mcounteren)
      ? 'mcounteren'
      : context.privilege === 0 && !allowed(context.scounteren)
        ? 'scounteren'
        : undefined;
    if (context.privilege < 3 && closed !== undefined)
      return say(`${key} counter`, `the counter ${name} may not be read from this mode: bit ${bit} of ${closed} is 0`, true);
  }
  if (number === 0x180 && context.privilege === 1)
    return say(`${key} tvm`, `${name} is kept from supervisor mode by mstatus.TVM, which machine mode has set`);
  if (number >= 1 && number <= 3 && context.floatIsOff)
    return say('fs', `${text} needs floating point, which is switched off: set mstatus.FS (sstatus.FS) to 1 or more first`);
  if (extension !== undefined && (extensionBit(extension.toLowerCase()) & context.extensionsOff) !== 0)
    return say(key, `the register ${name} needs the extension ${extension}, which the option --extensions-off leaves out`, true);
  if (number === 0x14d) return say(`${key} stce`, `${name} is kept from supervisor mode: menvcfg.STCE or bit 1 of mcounteren is 0`);
  if (extension !== undefined) {
    const option = OPTIONS[extension];
    return say(
      key,
      `the register ${name} needs the extension ${extension}, which the harts of this machine do not have${option === undefined ? '' : `; ${option} brings it`}`,
      true,
    );
  }
  // Which registers are known is the helpers' affair: one that is named, and was refused, is written though it can only be read.
  if (number >> 10 === 3 && !csrName(number).startsWith('csr'))
    return say(`${key} readonly`, `${text} writes ${name}, which can only be read`);
  return say(key, `there is no such register here (${name})`, true);
}
