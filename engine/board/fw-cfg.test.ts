import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { testGuestMemory, TEST_RAM_BASE, TEST_ROM_BASE } from '../../test/support/guest-memory';
import type { GuestMemory } from '../memory/guest-memory';
import { FW_CFG, FwCfg } from './fw-cfg';

const RECORD = TEST_RAM_BASE + 0x100;
const BUFFER = TEST_RAM_BASE + 0x1000;
const [ERROR, READ, SKIP, SELECT, WRITE] = [1, 2, 4, 8, 16];

let memory: GuestMemory;
let fwCfg: FwCfg;
beforeEach(() => {
  memory = testGuestMemory();
  fwCfg = new FwCfg(0x10100000, memory, 3);
});

function select(key: number): void {
  fwCfg.write(8, 2, ((key & 0xff) << 8) | (key >>> 8));
}
function readBytes(count: number): number[] {
  return Array.from({ length: count }, () => fwCfg.read(0, 1));
}
function bigEndian(value: number): number {
  return Buffer.from(Uint32Array.of(value).buffer).readUInt32BE();
}
/** Runs a DMA access and returns its control word. */
function dma(control: number, length: number, address: number, record = RECORD): number {
  const at = memory.offsetOf(record, 16);
  memory.data.setUint32(at, control);
  memory.data.setUint32(at + 4, length);
  memory.data.setUint32(at + 8, Math.floor(address / 2 ** 32));
  memory.data.setUint32(at + 12, address >>> 0);
  start(record);
  return memory.data.getUint32(at);
}
function start(record: number): void {
  fwCfg.write(16, 4, bigEndian(Math.floor(record / 2 ** 32)));
  fwCfg.write(20, 4, bigEndian(record >>> 0));
}

describe('FwCfg', () => {
  it('is recognised by its signature and features', () => {
    select(FW_CFG.SIGNATURE);
    expect(String.fromCharCode(...readBytes(4))).toBe('QEMU');
    select(FW_CFG.FEATURES);
    expect(fwCfg.read(0, 4)).toBe(3);
    select(FW_CFG.HARTS);
    expect(fwCfg.read(0, 2)).toBe(3);
    const signature = Buffer.alloc(8);
    signature.writeUInt32LE(fwCfg.read(16, 4), 0);
    signature.writeUInt32LE(fwCfg.read(20, 4), 4);
    expect(signature.toString()).toBe('QEMU CFG');
  });

  it('lists its files by name, with sizes and keys', () => {
    fwCfg.setFile('opt/two', Uint8Array.of(1, 2, 3));
    fwCfg.setFile('etc/one', Uint8Array.of(9));
    expect(dma(((FW_CFG.DIRECTORY << 16) | SELECT | READ) >>> 0, 4 + 2 * 64, BUFFER)).toBe(0);
    const directory = Buffer.from(memory.view(BUFFER, 4 + 2 * 64));
    expect(directory.readUInt32BE(0)).toBe(2);
    const entries = [4, 68].map((at) => ({
      size: directory.readUInt32BE(at),
      key: directory.readUInt16BE(at + 4),
      name: directory.toString('latin1', at + 8, directory.indexOf(0, at + 8)),
    }));
    expect(entries).toEqual([
      { size: 1, key: 0x20, name: 'etc/one' },
      { size: 3, key: 0x21, name: 'opt/two' },
    ]);
    select(0x21);
    expect(readBytes(5)).toEqual([1, 2, 3, 0, 0]);
  });

  it('reads and skips by DMA, with zeros behind the end', () => {
    fwCfg.setItem(
      FW_CFG.KERNEL,
      Uint8Array.from({ length: 10 }, (_, i) => i + 1),
      FW_CFG.KERNEL_SIZE,
    );
    select(FW_CFG.KERNEL_SIZE);
    expect(fwCfg.read(0, 4)).toBe(10);
    memory.view(BUFFER, 16).fill(0xee);
    expect(dma(((FW_CFG.KERNEL << 16) | SELECT | SKIP) >>> 0, 4, 0)).toBe(0);
    expect(dma(READ, 4, BUFFER)).toBe(0);
    expect([...memory.view(BUFFER, 5)]).toEqual([5, 6, 7, 8, 0xee]);
    expect(dma(READ, 4, BUFFER)).toBe(0);
    expect([...memory.view(BUFFER, 5)]).toEqual([9, 10, 0, 0, 0xee]);
  });

  it.each([
    ['outside the memory', TEST_RAM_BASE + (4 << 20) - 4, 8],
    ['in ROM', TEST_ROM_BASE, 8],
    ['with all address bits', 2 ** 64 - 2048, 8],
    ['of 4 GiB', BUFFER, 0xffffffff],
  ])('answers with an error to a target %s', (_, address, length) => {
    expect(dma(((FW_CFG.SIGNATURE << 16) | SELECT | READ) >>> 0, length, address)).toBe(ERROR);
  });

  it('takes no writes, and ignores a record that is not in RAM', () => {
    expect(dma(((FW_CFG.SIGNATURE << 16) | SELECT | WRITE) >>> 0, 4, BUFFER)).toBe(ERROR);
    start(TEST_ROM_BASE);
    start(2 ** 40);
    start(TEST_RAM_BASE + (4 << 20) - 8);
    fwCfg.write(0, 4, 1);
    select(FW_CFG.SIGNATURE);
    expect(String.fromCharCode(...readBytes(4))).toBe('QEMU');
  });

  it('does nothing outside target and control word, whatever the record says', () => {
    const guard = [...memory.view(TEST_RAM_BASE, 0x100)];
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(0xffffffff), fc.bigInt(0n, 2n ** 64n - 1n), fc.nat(15), (control, length, address, skew) => {
        const outside = Number(address) < TEST_RAM_BASE || Number(address) >= TEST_RAM_BASE + (4 << 20);
        fc.pre(outside);
        const answer = dma(control >>> 0, length, Number(address), RECORD + skew);
        expect(answer).toBe(control & READ || control & WRITE ? ERROR : 0);
        expect([...memory.view(TEST_RAM_BASE, 0x100)]).toEqual(guard);
      }),
    );
  });

  it('refuses names that do not fit', () => {
    expect(() => fwCfg.setFile(`opt/${'x'.repeat(52)}`, Uint8Array.of(1))).toThrow(/1 to 55/);
    expect(() => fwCfg.setFile('opt/a b', Uint8Array.of(1))).toThrow(/printable/);
    fwCfg.setFile(`opt/${'x'.repeat(51)}`, Uint8Array.of(1));
  });
});
