import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { InterruptPlan } from '../../interrupt/interrupt-controllers';
import { PCI_MAP } from '../board-map';
import { type AcpiMachine, acpiTables } from './acpi-tables';
import { device, integer, named, packageOf, string } from './aml';
import { ACPI_FILES, acpiFiles } from './table-loader';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-acpi-'));
afterAll(() => rmSync(folder, { recursive: true }));

const PLIC: InterruptPlan = { kind: 'plic', base: 0xc000000, sources: 95 };
const APLIC: InterruptPlan = { kind: 'aplic', domains: { machine: 0xc000000, supervisor: 0xd000000 }, sources: 96 };
const IMSIC: InterruptPlan = { ...APLIC, imsics: { machine: 0x24000000, supervisor: 0x28000000 } };

function machine(interrupts: InterruptPlan, harts = 2): AcpiMachine {
  return {
    harts,
    isa: 'rv64imafdc_zicntr_zicsr_sstc',
    cacheBlocks: { managed: 6, prefetched: 0, zeroed: 6 },
    timebase: 10_000_000,
    interrupts,
    uart: { base: 0x10000000, source: 10, clock: 3_686_400 },
    fwCfg: { base: 0x10100000, size: 0x18 },
    virtio: Array.from({ length: 8 }, (_, i) => ({ base: 0x10001000 + 0x1000 * i, size: 0x1000, source: i + 1 })),
    pci: PCI_MAP,
  };
}

/** What firmware does with the files: the pieces in memory at these addresses, with pointers and checksums set. */
function load(files: Map<string, Uint8Array>, at: Record<string, number>): Map<string, Buffer> {
  const pieces = new Map<string, Buffer>();
  const script = Buffer.from(files.get(ACPI_FILES.loader) as Uint8Array);
  const name = (offset: number): string => script.toString('latin1', offset, script.indexOf(0, offset));
  for (let entry = 0; entry < script.length; entry += 128) {
    const kind = script.readUInt32LE(entry);
    const file = name(entry + 4);
    if (kind === 1) pieces.set(file, Buffer.from(files.get(file) as Uint8Array));
    const piece = pieces.get(file) as Buffer;
    if (kind === 2) {
      const source = name(entry + 60);
      const offset = script.readUInt32LE(entry + 116);
      expect(script[entry + 120]).toBe(8);
      piece.writeBigUInt64LE(piece.readBigUInt64LE(offset) + BigInt(at[source]), offset);
    }
    if (kind === 3) {
      const [offset, start, length] = [60, 64, 68].map((field) => script.readUInt32LE(entry + field));
      piece[offset] = 0;
      piece[offset] = -piece.subarray(start, start + length).reduce((sum, byte) => sum + byte, 0) & 0xff;
    }
  }
  return pieces;
}

describe('ACPI tables', () => {
  it('hang together from the root pointer on, with right checksums, once firmware has loaded them', () => {
    const base = 0x87654000;
    const pieces = load(acpiFiles(acpiTables(machine(PLIC))), { [ACPI_FILES.tables]: base });
    const tables = pieces.get(ACPI_FILES.tables) as Buffer;
    const root = pieces.get(ACPI_FILES.rootPointer) as Buffer;
    const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => (total + byte) & 0xff, 0);
    const tableAt = (address: bigint): Buffer => {
      const at = Number(address) - base;
      const found = tables.subarray(at, at + tables.readUInt32LE(at + 4));
      expect(sum(found)).toBe(0);
      return found;
    };
    expect([root.toString('latin1', 0, 8), root[15], sum(root.subarray(0, 20)), sum(root)]).toEqual(['RSD PTR ', 2, 0, 0]);
    const xsdt = tableAt(root.readBigUInt64LE(24));
    const listed = Array.from({ length: (xsdt.length - 36) / 8 }, (_, i) => tableAt(xsdt.readBigUInt64LE(36 + 8 * i)));
    expect(listed.map((one) => one.toString('latin1', 0, 4))).toEqual(['FACP', 'APIC', 'RHCT', 'SPCR', 'MCFG']);
    expect(tableAt(listed[0].readBigUInt64LE(140)).toString('latin1', 0, 4)).toBe('DSDT');
  });

  it('encodes lengths and numbers of every size', () => {
    expect(integer(1)).toEqual([1]);
    expect(integer(0x1234)).toEqual([0x0b, 0x34, 0x12]);
    expect(integer(2 ** 40)).toEqual([0x0e, 0, 0, 0, 0, 0, 1, 0, 0]);
    for (const size of [10, 61, 62, 63, 64, 4090, 5000]) {
      const encoded = device('DEV0', [named('TEXT', string('x'.repeat(size)))]);
      const lead = encoded[2] >> 6;
      const length = lead === 0 ? encoded[2] : (encoded[2] & 15) | (encoded[3] << 4) | (lead > 1 ? encoded[4] << 12 : 0);
      expect(length).toBe(encoded.length - 2);
    }
    expect(packageOf([integer(0)])).toEqual([0x12, 3, 1, 0]);
  });

  const iasl = spawnSync('iasl', ['-v']).status === 0;
  const kinds: [string, InterruptPlan][] = [
    ['a PLIC', PLIC],
    ['an APLIC', APLIC],
    ['an APLIC and IMSICs', IMSIC],
  ];
  it.runIf(iasl).each(kinds)('are understood by the ACPI compiler on a machine with %s', (_, interrupts) => {
    const pieces = load(acpiFiles(acpiTables(machine(interrupts))), { [ACPI_FILES.tables]: 0 });
    const all = pieces.get(ACPI_FILES.tables) as Buffer;
    const texts: Record<string, string> = {};
    // What Debian has had for long knows no tables of RISC-V; of those a booting Linux is the judge.
    for (const signature of ['DSDT', 'FACP', 'SPCR', 'MCFG', 'XSDT']) {
      const at = all.indexOf(Buffer.from(signature));
      const file = join(folder, `${signature}.aml`);
      writeFileSync(file, all.subarray(at, at + all.readUInt32LE(at + 4)));
      execFileSync('iasl', ['-d', file], { stdio: 'ignore' });
      texts[signature] = readFileSync(join(folder, `${signature}.dsl`), 'utf8');
      expect(texts[signature]).not.toMatch(/Invalid|Unknown|Checksum error/);
      if (signature !== 'DSDT') continue;
      const { stdout, stderr, status } = spawnSync('iasl', ['-p', join(folder, 'again'), join(folder, 'DSDT.dsl')], { encoding: 'utf8' });
      expect(`${stdout}${stderr}`).toMatch(/ 0 Errors/);
      expect(status).toBe(0);
    }
    expect(texts['DSDT']).toMatch(/Device \(COM0\).*"RSCV0003".*0x10000000.*"clock-frequency",\s+0x00384000/s);
    expect(texts['DSDT'].match(/"LNRO0005"/g)).toHaveLength(8);
    // Pin INTA# of device 3 goes to the fourth wire.
    expect(texts['DSDT']).toMatch(/Package \(0x04\)\s*\{\s*0x0003FFFF,\s*Zero,\s*L003,\s*Zero/);
    expect(texts['DSDT']).toMatch(/Device \(L003\).*?EisaId \("PNP0C0F"\).*?Interrupt \(ResourceConsumer, Level, ActiveHigh.*?0x00000023/s);
    const windows = [
      /WordBusNumber \(ResourceProducer, MinFixed, MaxFixed, PosDecode,\s+0x0000,.*?0x0000,.*?0x00FF,.*?0x0000,.*?0x0100,/s,
      /DWordMemory \(ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,\s+0x0+,.*?0x40000000,.*?0x7FFFFFFF,.*?0x00000000,.*?0x40000000,/s,
      /DWordIO \(ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,\s+0x0+,.*?0x00000000,.*?0x0000FFFF,.*?0x03000000,.*?0x00010000,/s,
      /QWordMemory \(ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,\s+0x0+,.*?0x0000000400000000,.*?0x00000007FFFFFFFF,.*?0x0+,.*?0x0000000400000000,/s,
    ];
    const bridge = texts['DSDT'].slice(texts['DSDT'].indexOf('Device (PCI0)'));
    for (const window of windows) expect(bridge).toMatch(window);
    expect(texts['MCFG']).toMatch(/Base Address : 0000000030000000.*Start Bus Number : 00.*End Bus Number : FF/s);
    expect(texts['FACP']).toMatch(/Hardware Reduced \(V5\) : 1/);
    expect(texts['SPCR']).toMatch(/0000000010000000/);
  });
});
