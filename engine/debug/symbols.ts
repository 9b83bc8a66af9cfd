import { type ElfFunction, isElf, readElfFunctions } from '../images/elf';
import { imageError, readImageFile } from '../images/image-file';

const SIZE_MAX = 2 ** 31;

/** Functions by address, from any number of files. */
export class SymbolTable {
  private functions: ElfFunction[] = [];
  private sorted = true;

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
    for (const { name, address, size } of functions) this.functions.push({ name, address: BigInt.asUintN(64, address + base), size });
    this.sorted = false;
  }

  /** The name of the function that holds an address; undefined where none does. */
  nameOf(address: bigint): string | undefined {
    if (!this.sorted) this.sort();
    let low = 0;
    let high = this.functions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.functions[middle].address <= address) low = middle + 1;
      else high = middle;
    }
    const found = low > 0 ? this.functions[low - 1] : undefined;
    if (!found || address - found.address >= (found.size || FUNCTION_MAX)) return undefined;
    return found.name;
  }

  /**
   * By address; of several names for one function the last counts: the one that says its size, and of those the first in its file. Labels
   * within a function are none.
   */
  private sort(): void {
    this.functions.reverse();
    this.functions.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : Number(a.size > 0n) - Number(b.size > 0n)));
    let end = 0n;
    this.functions = this.functions.filter(({ address, size }) => {
      if (size === 0n) return address >= end;
      end = address + size;
      return true;
    });
    this.sorted = true;
  }
}

/** A function whose size is not known is no longer than that. */
const FUNCTION_MAX = 0x10000n;

/** `ffffffff80002000 T _start`, and `[module]` behind the functions of a module. */
function parseMap(text: string): ElfFunction[] {
  const functions: ElfFunction[] = [];
  for (const [, address, name, module] of text.matchAll(/^([0-9a-f]{8,16}) [tTwW] (\S+)(?:\s+(\[\S+\]))?$/gm)) {
    if (!name.startsWith('.L') && !name.startsWith('$'))
      functions.push({ name: module ? `${name} ${module}` : name, address: BigInt(`0x${address}`), size: 0n });
  }
  return functions;
}
