/** A function of a guest program: virtual address and bytes; 0 where nobody says how long it is. */
export interface NamedFunction {
  name: string;
  address: bigint;
  size: bigint;
}

/** A function whose size is not known is no longer than that. */
const FUNCTION_MAX = 0x10000n;

/** Functions by address. */
export class FunctionNames {
  private readonly functions: readonly NamedFunction[];

  /**
   * Of several names for one function the last counts: the one that says its size, and of those the first that was given. Labels within a
   * function are none.
   */
  constructor(given: readonly NamedFunction[]) {
    const functions = [...given].reverse();
    functions.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : Number(a.size > 0n) - Number(b.size > 0n)));
    let end = 0n;
    this.functions = functions.filter(({ address, size }) => {
      if (size === 0n) return address >= end;
      end = address + size;
      return true;
    });
  }

  /** The function that holds an address; undefined where none does. */
  at(address: bigint): NamedFunction | undefined {
    let low = 0;
    let high = this.functions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.functions[middle].address <= address) low = middle + 1;
      else high = middle;
    }
    const found = low > 0 ? this.functions[low - 1] : undefined;
    return found && address - found.address < (found.size || FUNCTION_MAX) ? found : undefined;
  }
}
