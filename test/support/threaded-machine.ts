import { MmioBus } from '../../engine/bus/mmio-bus';
import type { VmError } from '../../engine/errors/vm-error';
import type { HostMemory } from '../../engine/host/host-memory';
import { GuestMemory } from '../../engine/memory/guest-memory';
import { createMemory, planMemory } from '../../engine/memory/memory-plan';
import type { HartBoard } from '../../engine/threads/hart-board';
import { HartThreads } from '../../engine/threads/hart-threads';
import { HartPool } from '../../engine/threads/harts';
import { v8Verdict } from '../../engine/threads/v8-verdict';
import { Assembler, Label } from './assembler';
import { bType, iType, jType, sType, uType } from './riscv-encoding';

const { flags } = await v8Verdict();

export const RAM = 0x8000_0000;
export const CLINT = 0x200_0000;
export const DEVICE = 0x1000_0000;
/** Offset in the device: a store there is not one that `next` waits for. */
export const DOORBELL = 8;
export const FENCE = 0x0ff0000f;
export const FENCE_I = 0x100f;
const WFI = 0x10500073;
const T0 = 5;

/** Machine code with the jumps and constants that programs for bare harts are made of. Uses t0. */
export class Code extends Assembler {
  jump(to: Label): void {
    this.reference(4, to, (d) => jType(0, d));
  }
  branch(funct3: number, rs1: number, rs2: number, to: Label): void {
    this.reference(4, to, (d) => bType(funct3, rs1, rs2, d));
  }
  /** A number from 0, or an even one up to 2^32. */
  li(rd: number, value: number): void {
    if (value < 2048) {
      this.addi(rd, 0, value);
      return;
    }
    const near = value < 0x7fff_f800 ? value : value / 2;
    this.word(uType(0x37, rd, (near + 0x800) >>> 12));
    this.addi(rd, rd, (near << 20) >> 20);
    if (near !== value) this.word(iType(0x13, 1, rd, rd, 1));
  }
  addi(rd: number, rs1: number, by: number): void {
    this.word(iType(0x13, 0, rd, rs1, by));
  }
  load(rd: number, rs1: number, offset = 0, funct3 = 2): void {
    this.word(iType(0x03, funct3, rd, rs1, offset));
  }
  store(rs2: number, rs1: number, offset = 0, funct3 = 2): void {
    this.word(sType(0x23, funct3, rs1, rs2, offset));
  }
  csrr(rd: number, csr: number): void {
    this.word(iType(0x73, 2, rd, 0, csr));
  }
  csrw(csr: number, rs1: number): void {
    this.word(iType(0x73, 1, 0, rs1, csr));
  }
  /** Wait until the word at rs1 + offset is, or is not, the value of rs2. */
  await(rs1: number, offset: number, rs2: number, equal: boolean): void {
    const again = new Label();
    this.place(again);
    this.load(T0, rs1, offset);
    this.branch(equal ? 1 : 0, T0, rs2, again);
  }
  sleep(): void {
    const again = new Label();
    this.place(again);
    this.word(WFI);
    this.jump(again);
  }
}

export interface Written {
  value: number;
  at: number;
  cpu: number;
}

/**
 * Harts in threads of their own, from the build, with nothing but a CLINT and a device: they run `code` from the start of RAM, `next` waits
 * for a hart's next store to the device.
 */
export function threadedMachine(
  code: Code,
  options: { harts?: number; ramBytes?: number; jit?: boolean; host?: HostMemory; board?: Partial<HartBoard>; doorbell?: () => void } = {},
) {
  const { harts = 2, ramBytes = 1 << 20, jit = false, host, board, doorbell } = options;
  const plan = planMemory(harts, [{ base: RAM, size: ramBytes }]);
  const memory = new GuestMemory(createMemory(plan), plan);
  const written: Written[] = [];
  let arrived = (): void => {};
  const bus = new MmioBus();
  bus.add({
    name: 'device',
    base: DEVICE,
    size: 4096,
    read: () => 0x1234,
    write: (offset, _size, value) => {
      if (offset === DOORBELL) {
        doorbell?.();
        return;
      }
      const { user, system } = process.cpuUsage();
      written.push({ value, at: performance.now(), cpu: (user + system) / 1000 });
      arrived();
    },
  });
  memory.copyIn(RAM, code.bytes());
  const threads = new HartThreads({ harts, jit, checked: false, flags, ...(host ? { host } : {}) });
  const hartBoard: HartBoard = {
    timebase: 10_000_000,
    resetVector: RAM,
    clint: { base: CLINT },
    interrupts: { kind: 'plic', base: 0xc00_0000, sources: 95 },
    pci: { firstSource: 32 },
    virtioMmio: { base: 0x1000_1000, stride: 0x1000, count: 8, firstSource: 1 },
    ranges: bus.ranges(),
    jit,
    hostSleep: 'run',
    ...board,
  };
  const pool = new HartPool(memory.memory, plan, bus, hartBoard, threads);
  const errors: VmError[] = [];
  pool.on('error', (error) => errors.push(error));
  const next = async (patience = 20_000): Promise<Written> => {
    while (written.length === 0) {
      await new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`no word from the harts; ${errors.map(String).join()}`)), patience);
        arrived = () => {
          clearTimeout(late);
          resolve();
        };
      });
    }
    return written.shift() as Written;
  };
  return { harts: pool, memory, next, errors, written };
}
