import type { HartStop, Watchpoint } from '../../hart/debug-points';
import { VmError } from '../../errors/vm-error';
import { parseNumber, parseSmall } from './packet';
import type { DebugTarget } from './target';

/** Types of Z packets: software and hardware breakpoints are the same here, for neither is written into memory. */
const SOFTWARE = 0;
const HARDWARE = 1;
const ACCESS = { 2: 'write', 3: 'read', 4: 'both' } as const;
const REASONS = { write: 'watch', read: 'rwatch', both: 'awatch' } as const;
/** The longest piece of data that is watched: more is asked for by mistake. */
const WATCHED_MOST = 0x10000;
/** A range that ends where addresses do. */
const ADDRESSES = 1n << 64n;

/** The breakpoints and watchpoints of a session, by what its Z and z packets say. */
export class StopPoints {
  private readonly breakpoints: Record<typeof SOFTWARE | typeof HARDWARE, Set<bigint>> = { 0: new Set(), 1: new Set() };
  private watchpoints: Watchpoint[] = [];

  constructor(private readonly target: DebugTarget) {}

  /** A packet without its first letter: `type,address,kind`. Undefined: of a type that there is none of. */
  change(insert: boolean, packet: string): 'OK' | 'malformed' | 'refused' | undefined {
    const [fields] = packet.split(';', 1);
    const [type, addressText, kindText, surplus] = fields.split(',');
    const address = parseNumber(addressText);
    const kind = parseSmall(kindText, WATCHED_MOST);
    if (!/^[0-4]$/.test(type)) return undefined;
    if (address === undefined || kind === undefined || surplus !== undefined) return 'malformed';
    const before = { breakpoints: this.addresses, watchpoints: this.watchpoints };
    if (type === '0' || type === '1') {
      const set = this.breakpoints[type];
      const isThere = set.has(address);
      if (insert) set.add(address);
      else set.delete(address);
      if (this.apply()) return 'OK';
      if (!isThere) set.delete(address);
    } else {
      const access = ACCESS[type as unknown as keyof typeof ACCESS];
      const bytes = Math.max(1, kind);
      if (address + BigInt(bytes) > ADDRESSES) return 'malformed';
      const others = this.watchpoints.filter((one) => one.address !== address || one.bytes !== bytes || one.access !== access);
      this.watchpoints = insert ? [...others, { address, bytes, access }] : others;
      if (this.apply()) return 'OK';
      this.watchpoints = before.watchpoints;
    }
    this.apply();
    return 'refused';
  }

  /** Whether a hart that comes to `pc` stops there. */
  stopsAt(pc: bigint): boolean {
    return this.breakpoints[0].has(pc) || this.breakpoints[1].has(pc);
  }

  get isEmpty(): boolean {
    return this.addresses.length + this.watchpoints.length === 0;
  }

  /** All away. */
  clear(): void {
    for (const set of Object.values(this.breakpoints)) set.clear();
    this.watchpoints = [];
    this.apply();
  }

  /** The reason as a stop reply has it: `watch:80001000`, `swbreak:` and so on; empty for a step. */
  describe(stop: Pick<HartStop, 'reason' | 'pc' | 'address'>, told: { swbreak: boolean; hwbreak: boolean }): string {
    const { reason, address = 0n } = stop;
    if (reason === 'step') return '';
    if (reason === 'breakpoint') {
      const isSoftware = this.breakpoints[SOFTWARE].has(stop.pc);
      if (isSoftware ? !told.swbreak : !told.hwbreak) return '';
      return isSoftware ? 'swbreak:;' : 'hwbreak:;';
    }
    const hit = this.watchpoints.find(
      (one) => address >= one.address && address < one.address + BigInt(one.bytes) && (one.access === 'both' || one.access === reason),
    );
    return `${REASONS[hit?.access ?? 'both']}:${address.toString(16)};`;
  }

  private get addresses(): bigint[] {
    return [...new Set([...this.breakpoints[SOFTWARE], ...this.breakpoints[HARDWARE]])];
  }

  /** Whether the machine takes so many. */
  private apply(): boolean {
    try {
      this.target.setBreakpoints(this.addresses);
      this.target.setWatchpoints(this.watchpoints);
      return true;
    } catch (error) {
      if (error instanceof VmError && error.kind === 'Config') return false;
      throw error;
    }
  }
}
