import { FunctionNames, type NamedFunction } from '../hart/function-names';
import { type ElfFunction, isElf, readElfFunctions } from '../images/elf';
import { imageError, readImageFile } from '../images/image-file';

const SIZE_MAX = 2 ** 31;

/** Functions by address, from any number of files. */
export class SymbolTable {
  private readonly all: NamedFunction[] = [];
  private names: FunctionNames | undefined;

  /**
   * Take in the functions of an ELF file (a vmlinux, a program) or of a list as the kernel gives it in /proc/kallsyms and System.map.
   *
   * @param base added to every address: where a position-independent program was loaded
   * Throws VmError 'Image' where the file cannot be read or names no function.
   */
  async addFile(path: string, base = 0n): Promise<void> {
    const file = await readImageFile('symbol file', path, SIZE_MAX);
    const functions = isElf(file.bytes) ? readElfFunctions(file) : parseMap(Buffer.from(file.bytes).toString('latin1'));
    if (functions.length === 0)
      throw imageError(file, 'names no function. It may be stripped; give an ELF file with symbols, or a copy of /proc/kallsyms.');
    if (functions.every(({ address }) => address === 0n))
      throw imageError(file, 'has all addresses hidden. Read /proc/kallsyms as root, after: echo 0 > /proc/sys/kernel/kptr_restrict');
    this.add(functions, base);
  }

  add(functions: ElfFunction[], base = 0n): void {
    for (const { name, address, size } of functions) this.all.push({ name, address: BigInt.asUintN(64, address + base), size });
    this.names = undefined;
  }

  /** All that were taken in. */
  get functions(): readonly NamedFunction[] {
    return this.all;
  }

  /** The name of the function that holds an address; undefined where none does. */
  nameOf(address: bigint): string | undefined {
    this.names ??= new FunctionNames(this.all);
    return this.names.at(address)?.name;
  }

  /** Where the first function of that name begins; undefined where there is none. */
  addressOf(name: string): bigint | undefined {
    return this.all.find((one) => one.name === name)?.address;
  }
}

/** `ffffffff80002000 T _start`, and `[module]` behind the functions of a module. */
function parseMap(text: string): ElfFunction[] {
  const functions: ElfFunction[] = [];
  for (const [, address, name, module] of text.matchAll(/^([0-9a-f]{8,16}) [tTwW] (\S+)(?:\s+(\[\S+\]))?$/gm)) {
    if (!name.startsWith('.L') && !name.startsWith('$'))
      functions.push({ name: module ? `${name} ${module}` : name, address: BigInt(`0x${address}`), size: 0n });
  }
  return functions;
}
