import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ParsedNode, readDeviceTree } from '../../test/support/device-tree-reader';
import type { VmError } from '../errors/vm-error';
import { GuestMemory } from '../memory/guest-memory';
import { HART_SLEEPING, HARTS_BASE } from '../memory/layout';
import { createMemory, planMemory } from '../memory/memory-plan';
import { Board, memoryRegions } from './board';
import { type MachineConfigInput, machineConfigSchema } from '../settings/settings';
import type { FinisherRequest } from '../board/test-finisher';

const RAM = 0x80000000;
const MiB = 2 ** 20;
const DEVICE_TREE = RAM + 14 * MiB;

let directory: string;
let boards: Board[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hartbox-board-'));
  boards = [];
});
afterEach(async () => {
  for (const board of boards) await board.close();
  rmSync(directory, { recursive: true });
});

async function setUp(input: MachineConfigInput = {}, ports: string[] = [], isDefaultGuest = false) {
  const config = machineConfigSchema.parse({ memory: 16 * MiB, ...input });
  const plan = planMemory(config.harts, memoryRegions(config));
  const memory = new GuestMemory(createMemory(plan), plan);
  const requests: FinisherRequest[] = [];
  const warnings: VmError[] = [];
  const board = await Board.create({
    config,
    memory,
    ports,
    boot: {
      segments: [{ what: 'kernel', address: RAM, bytes: Uint8Array.of(1, 2, 3), memoryBytes: 8 }],
      entry: RAM,
      next: 0x80200000,
      deviceTree: DEVICE_TREE,
      initrd: { start: 0x80400000, end: 0x80400100 },
      append: 'quiet',
      isDefaultGuest,
    },
    finisher: (request) => requests.push(request),
    watchdog: () => undefined,
    full: async () => false,
    warn: (warning) => warnings.push(warning),
  });
  boards.push(board);
  return { board, memory, requests };
}

function child(node: ParsedNode, ...names: string[]): ParsedNode {
  return names.reduce((at, name) => {
    const found = at.children.find((one) => one.name === name);
    if (!found) throw new Error(`no node ${name} in ${at.name}`);
    return found;
  }, node);
}

describe('Board', () => {
  it('fills memory, reset ROM and device tree at power-on, again and again', async () => {
    const { board, memory } = await setUp();
    for (let times = 0; times < 2; times++) {
      await board.powerOn();
      expect([...memory.view(RAM, 8)]).toEqual([1, 2, 3, 0, 0, 0, 0, 0]);
      expect(memory.readU32(0x1000)).toBe(0x297);
      expect([memory.readU64(0x1018), memory.readU64(0x1020)]).toEqual([RAM, DEVICE_TREE]);
      expect([memory.readU64(0x1028), memory.readU64(0x1030), memory.readU64(0x1038), memory.readU64(0x1040)]).toEqual([
        0x4942534f, 2, 0x80200000, 1,
      ]);
      const chosen = child(readDeviceTree(memory.view(DEVICE_TREE, 65536)), 'chosen').properties;
      expect(Buffer.from(chosen.bootargs).toString()).toBe('quiet\0');
      expect(chosen['linux,initrd-end']).toEqual([0, 0, 0, 0, 0x80, 0x40, 1, 0]);
      expect(new Set(chosen['rng-seed']).size).toBeGreaterThan(10);
      memory.view(RAM, 16 * MiB).fill(0xee);
    }
  });

  it('answers at the addresses of its devices', async () => {
    const { board, requests } = await setUp({ harts: 2 });
    expect(board.bus.read(0x10000005, 1)).toBe(0x60);
    expect(board.bus.read(0x10001000, 4)).toBe(0x74726976);
    expect(board.bus.read(0x10001008, 4)).toBe(1);
    expect(board.bus.read(0x10002008, 4)).toBe(3);
    expect(board.bus.read(0x10008008, 4)).toBe(0);
    board.bus.write(0x100000, 4, 0x33333);
    expect(requests).toEqual([{ kind: 'exit', code: 3 }]);
    const { ranges } = board.hartBoard({});
    expect(ranges.some(({ base }) => base === 0x2000000 || base === 0xc000000)).toBe(false);
    expect(ranges).toHaveLength(18);
  });

  it('has a framebuffer for its first screen, and a machine without screens has none', async () => {
    const { board } = await setUp({ screens: 2, screenSize: '640x480' });
    await board.powerOn();
    const tree = readDeviceTree(board.deviceTree());
    const { compatible, reg, width, stride } = child(tree, 'framebuffer@18000000').properties;
    expect(Buffer.from(compatible).toString()).toBe('simple-framebuffer\0');
    expect([...reg]).toEqual([0, 0, 0, 0, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0xc0, 0]);
    expect([Buffer.from(width).readUInt32BE(), Buffer.from(stride).readUInt32BE()]).toEqual([640, 2560]);
    expect(board.memoryMap()).toContainEqual({ base: 0x18000000, size: 0x12c000, kind: 'ram', name: 'framebuffer' });
    const without = await setUp();
    expect(readDeviceTree(without.board.deviceTree()).children.map(({ name }) => name)).not.toContain('framebuffer@18000000');
  });

  it('hears the keyboard as its serial port until the guest has a driver for it', async () => {
    const { board, memory } = await setUp({ screens: 1 });
    await board.powerOn();
    // A guest that waits: what the UART gets is in its FIFO at once.
    memory.words[(HARTS_BASE + HART_SLEEPING) >>> 2] = 1;
    const stroke = [1, 0].map((value) => ({ type: 1, code: 30, value }));
    expect(board.report('keyboard', stroke)).toBe(true);
    expect(String.fromCharCode(board.bus.read(0x10000000, 1))).toBe('a');
    // Shift is held when the machine is switched on again.
    board.report('keyboard', [{ type: 1, code: 42, value: 1 }]);
    await board.powerOn();
    board.report('keyboard', stroke);
    expect(String.fromCharCode(board.bus.read(0x10000000, 1))).toBe('a');
    const burst = Array.from({ length: 1000 }, () => stroke).flat();
    const heard = Array.from({ length: 100 }, () => board.report('keyboard', burst));
    expect([65, 66, 67]).toContain(heard.indexOf(false));
    for (let i = 0; i < 60_000; i++) board.bus.read(0x10000000, 1);
    expect(board.report('keyboard', stroke)).toBe(true);
    expect(board.report('tablet', [{ type: 3, code: 0, value: 1 }])).toBe(false);
    // Where the guest's terminal is the virtio console, serial input is none of its keyboard.
    const linux = await setUp({ screens: 1 }, [], true);
    expect(linux.board.report('keyboard', stroke)).toBe(false);
  });

  it('has named ports only if they were asked for', async () => {
    const { board } = await setUp({}, ['agent']);
    expect(board.port('agent').name).toBe('agent');
    expect(() => board.port('other')).toThrow(/no console port "other"/);
    const without = await setUp();
    expect(() => without.board.port('agent')).toThrow(/made without named ports/);
  });

  it('gives drives the first places, or those that they ask for, and puts its own devices behind them', async () => {
    const [file, other] = ['disk.img', 'other.img'].map((name) => join(directory, name));
    for (const path of [file, other]) writeFileSync(path, new Uint8Array(4096));
    const types = async (config: MachineConfigInput): Promise<number[]> => {
      const { board } = await setUp(config);
      const found = Array.from({ length: 8 }, (_, slot) => board.bus.read(0x1000_1008 + 0x1000 * slot, 4));
      await board.close();
      boards.pop();
      return found;
    };
    const drives = [{ file }, { file: other, slot: 7 }];
    expect(await types({ drives })).toEqual([2, 1, 3, 4, 18, 5, 0, 2]);
    expect(await types({ drives, network: [] })).toEqual([2, 3, 4, 18, 5, 0, 0, 2]);
    expect(await types({ drives, network: [], virtioConsole: 'off', entropy: 'off', powerButton: false, balloon: false })).toEqual([
      2, 0, 0, 0, 0, 0, 0, 2,
    ]);
    const elf = { drives, source: 'elf', kernel: file } as const;
    expect(await types(elf)).toEqual([2, 0, 0, 0, 0, 0, 0, 2]);
    expect(await types({ ...elf, network: [{ connection: 'nat' }] })).toEqual([2, 1, 0, 0, 0, 0, 0, 2]);
    expect(await types({ ...elf, virtioConsole: 'on', entropy: 'on' })).toEqual([2, 3, 4, 0, 0, 0, 0, 2]);
    expect(await types({ drives: [{ file, bus: 'pci', slot: 5 }], bus: 'pci' })).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    const twice = [
      { file, slot: 1 },
      { file: other, slot: 1 },
    ];
    await expect(setUp({ drives: twice })).rejects.toMatchObject({ code: 'slot-taken' });
    await expect(setUp({ drives: twice, bus: 'pci' })).rejects.toMatchObject({ code: 'pci-slot-taken' });
    await expect(setUp({ drives: [{ file, slot: 8 }] })).rejects.toMatchObject({ code: 'slot-unknown' });
    await expect(setUp({ drives: [{ file, slot: 0 }], bus: 'pci' })).rejects.toMatchObject({ code: 'pci-slot-taken' });
  });

  it('opens its drives, and leaves none open when one of them fails', async () => {
    const good = join(directory, 'good.img');
    writeFileSync(good, new Uint8Array(4096));
    const drives = [{ file: good }, { file: join(directory, 'missing.img') }];
    await expect(setUp({ drives })).rejects.toThrow(/missing.img/);
    const { board } = await setUp({ drives: [{ file: good, serial: 'disk-1' }] });
    expect(board.bus.read(0x10001008, 4)).toBe(2);
  });

  const tools = spawnSync('qemu-system-riscv64', ['--version']).status === 0;
  it.runIf(tools).each(['none', 'aplic', 'aplic-imsic'] as const)(
    'describes its devices as QEMU describes those of virt,aia=%s',
    async (aia) => {
      const { board, memory } = await setUp({ harts: 2, aia });
      await board.powerOn();
      const file = join(directory, 'virt.dtb');
      execFileSync('qemu-system-riscv64', ['-M', `virt,aia=${aia},dumpdtb=${file}`, '-smp', '2', '-m', '16'], { stdio: 'ignore' });
      const qemu = readDeviceTree(readFileSync(file));
      const own = readDeviceTree(memory.view(DEVICE_TREE, 65536));
      // Numbers of phandles, the harts' extensions, and what versions of QEMU give differently.
      const free = [
        'phandle',
        'interrupt-parent',
        'interrupts-extended',
        'regmap',
        'riscv,isa',
        'rng-seed',
        'bootargs',
        'model',
        'cpu',
        'riscv,ndev',
        'riscv,children',
        'riscv,delegate',
        'msi-parent',
        'dma-coherent',
      ];
      // Each row of interrupt-map holds, after four cells, the controller's phandle.
      const comparable = (name: string, value: Uint8Array | number[] | undefined): unknown =>
        name === 'interrupt-map' ? [...(value ?? [])].map((byte, at) => (Math.floor(at / 4) % 6 === 4 ? 0 : byte)) : value;
      const compare = (ours: ParsedNode, theirs: ParsedNode, path: string): void => {
        for (const [name, value] of Object.entries(theirs.properties)) {
          if (!free.includes(name))
            expect([path, name, comparable(name, ours.properties[name])]).toEqual([path, name, comparable(name, value)]);
        }
        for (const one of ours.children) {
          const counterpart = theirs.children.find(({ name }) => name === one.name);
          if (counterpart) compare(one, counterpart, `${path}/${one.name}`);
          else throw new Error(`QEMU has no ${path}/${one.name}`);
        }
      };
      compare(own, qemu, '');
    },
  );
});
