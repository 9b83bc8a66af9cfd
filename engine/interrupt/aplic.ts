import type { InterruptLine } from '../bus/device';
import { VmError } from '../errors/vm-error';
import { APLIC_BASE, APLIC_BYTES, HARTS_MAX } from '../memory/layout';
import { AplicDomain, DOMAIN_WORDS, SET_WORDS } from './aplic-domain';
import { WiredController } from './wired-controller';

// Inside of the APLIC's part of the shared memory, in words: the lock, the levels of the wires, the domains.
const LOCK = APLIC_BASE >>> 2;
const LEVELS = LOCK + SET_WORDS;
const DOMAINS = LEVELS + SET_WORDS;
const END = DOMAINS + 2 * DOMAIN_WORDS;

export interface AplicOptions {
  memory: WebAssembly.Memory;
  /** Guest-physical addresses of the two domains. */
  machine: number;
  supervisor: number;
  harts: number;
  /** Interrupt sources 1 to `sources`; at most 127. */
  sources: number;
  /** Delivers a message: writes 32 bits at a guest-physical address. Without it the harts are interrupted by their lines. */
  sendMessage?: (address: number, data: number) => void;
}

/**
 * Advanced platform-level interrupt controller, RISC-V AIA 1.0 §4: a machine-level root domain and a supervisor-level domain below it.
 * The delivery mode is fixed: by messages where there are IMSICs, else directly.
 */
export class Aplic extends WiredController {
  /** Machine level, supervisor level. */
  readonly domains: readonly [AplicDomain, AplicDomain];

  constructor(options: AplicOptions) {
    const { memory, harts, sources, sendMessage } = options;
    if (sources < 1 || sources >= 32 * SET_WORDS) throw VmError.config(`An APLIC has 1 to ${32 * SET_WORDS - 1} sources, not ${sources}.`);
    if (harts < 1 || harts > HARTS_MAX) throw VmError.config(`An APLIC serves 1 to ${HARTS_MAX} harts, not ${harts}.`);
    super(memory, 'APLIC', LOCK, sources);
    if (END - LOCK > APLIC_BYTES >>> 2) throw new VmError('Internal', 'The APLIC does not fit into its part of the shared memory.');
    const common = { words: this.words, lock: this.lock, levels: LEVELS, harts, sources, sendMessage };
    const supervisor = new AplicDomain({ ...common, base: options.supervisor, state: DOMAINS + DOMAIN_WORDS, root: DOMAINS });
    this.domains = [new AplicDomain({ ...common, base: options.machine, state: DOMAINS, root: DOMAINS, child: supervisor }), supervisor];
  }

  protected wire(source: number): InterruptLine['deviceTree'] {
    // 4: high level.
    return { interrupts: [source, 4], 'interrupt-parent': [{ ref: 'aplic_s' }] };
  }

  protected setLevel(source: number, asserted: boolean): void {
    const bit = 1 << (source & 31);
    const at = LEVELS + (source >>> 5);
    if (((this.words[at] & bit) !== 0) === asserted) return;
    this.words[at] = this.words[at] ^ bit;
    // Active in one of them at most.
    this.domains[0].wireChanged(source);
    this.domains[1].wireChanged(source);
  }

  /** All as after power-on, but for the wires: their levels belong to the devices. */
  reset(): void {
    for (const domain of this.domains) domain.reset();
  }
}
