import type { AccessSize, BoardDevice } from '../bus/device';
import { DeviceState } from '../bus/device-state';
import type { DeviceTreeNode } from '../bus/device-tree';

const FAIL = 0x3333;
const PASS = 0x5555;
const RESET = 0x7777;

/** What the guest asked the finisher for. */
export type FinisherRequest = { kind: 'exit'; code: number } | { kind: 'reset' };

/**
 * SiFive test finisher: the low 16 bits of the word say how the machine ends (pass, fail with a code in the high
 * 16 bits, reset). Through syscon it is also how Linux and OpenSBI power the machine off and reboot it.
 */
export class TestFinisher implements BoardDevice {
  readonly name: string;
  readonly base: number;
  readonly size = 0x1000;
  readonly accessSizes = { min: 2, max: 4 } as const;
  /** A hart that ends the machine executes nothing more. */
  readonly holdsWriters = true;
  readonly state = DeviceState.none(this);

  constructor(
    base: number,
    private readonly request: (request: FinisherRequest) => void,
  ) {
    this.base = base;
    this.name = `test@${base.toString(16)}`;
  }

  read(): number {
    return 0;
  }

  write(offset: number, _size: AccessSize, value: number): void {
    if (offset !== 0) return;
    const status = value & 0xffff;
    if (status === PASS) this.request({ kind: 'exit', code: 0 });
    else if (status === FAIL) this.request({ kind: 'exit', code: value >>> 16 });
    else if (status === RESET) this.request({ kind: 'reset' });
  }

  deviceTreeNode(): DeviceTreeNode {
    return {
      name: this.name,
      label: 'test',
      properties: { compatible: ['sifive,test1', 'sifive,test0', 'syscon'], reg: [{ u64: this.base }, { u64: this.size }] },
    };
  }

  /** The nodes, at the root of the tree, through which the guest's firmware and kernel find the finisher. */
  systemControlNodes(): DeviceTreeNode[] {
    const node = (name: string, value: number): DeviceTreeNode => ({
      name,
      properties: { compatible: `syscon-${name}`, regmap: [{ ref: 'test' }], offset: [0], value: [value] },
    });
    return [node('poweroff', PASS), node('reboot', RESET)];
  }
}
