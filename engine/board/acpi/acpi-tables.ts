import type { InterruptPlan } from '../../interrupt/interrupt-controllers';
import type { PciMap } from '../../pci/host-bridge';
import {
  type Aml,
  bridgeWindow,
  device,
  deviceProperties,
  eisaId,
  emptyMethod,
  integer,
  interrupt,
  memory32,
  named,
  packageOf,
  reference,
  resources,
  scope,
  string,
} from './aml';

/** What the tables say of the machine. */
export interface AcpiMachine {
  harts: number;
  /** The harts' ISA string, as in the device tree. */
  isa: string;
  /** log2 of the bytes of cache blocks, as Zicbom, Zicbop and Zicboz have them; 0 where the harts lack the extension. */
  cacheBlocks: { managed: number; prefetched: number; zeroed: number };
  /** Ticks of the time counter a second. */
  timebase: number;
  interrupts: InterruptPlan;
  uart: { base: number; source: number; clock: number };
  fwCfg: { base: number; size: number };
  /** virtio-mmio slots that hold a device. */
  virtio: { base: number; size: number; source: number }[];
  pci: PciMap;
}

/** A table; `pointers` says where in it addresses of others belong, by their signature. */
export interface AcpiTable {
  signature: string;
  bytes: Uint8Array;
  pointers: { offset: number; to: string }[];
}

const HEADER_BYTES = 36;
/** The FADT's (ACPI 6.5 §5.2.9). */
const [FADT_BYTES, FADT_FLAGS, FADT_MINOR, FADT_DSDT] = [276, 112, 131, 140];
const HARDWARE_REDUCED = 1 << 20;
/** Supervisor-level IMSICs: bytes of one, and the interrupt identities that each has (RISC-V AIA §3). */
const IMSIC_STRIDE = 4096;
const IMSIC_IDENTITIES = 255;
const PLIC_CONTEXT_STRIDE = 0x1000;
const PLIC_CONTEXTS_AT = 0x200000;
const APLIC_BYTES = 0x8000;
/** A PCI bus has 1 MiB of configuration space, 32 devices, and four wires for their interrupt pins. */
const [PCI_BUS_BYTES, PCI_DEVICES, PCI_PINS] = [1 << 20, 32, 4];

/** Fields of a table, little-endian, one after the other. */
class Fields {
  private readonly list: number[] = [];

  /** `bytes` is the width of each value; values below 2^53. */
  add(bytes: number, ...values: number[]): this {
    for (const value of values) for (let i = 0; i < bytes; i++) this.list.push(Math.floor(value / 2 ** (8 * i)) & 0xff);
    return this;
  }
  append(bytes: Iterable<number>): this {
    this.list.push(...bytes);
    return this;
  }
  get bytes(): number[] {
    return this.list;
  }
}

/** The machine's tables: what firmware is to hand to an operating system that asks for ACPI. */
export function acpiTables(machine: AcpiMachine): AcpiTable[] {
  const described = [fadt(), madt(machine), rhct(machine), spcr(machine), mcfg(machine)];
  const xsdt = table(
    'XSDT',
    1,
    described.flatMap(() => [0, 0, 0, 0, 0, 0, 0, 0]),
  );
  xsdt.pointers = described.map(({ signature }, i) => ({ offset: HEADER_BYTES + 8 * i, to: signature }));
  return [table('DSDT', 2, dsdt(machine)), ...described, xsdt];
}

/** The checksums are the business of whoever sets the pointers. */
function table(signature: string, revision: number, content: readonly number[]): AcpiTable {
  const bytes = new Uint8Array(HEADER_BYTES + content.length);
  const header = new Fields()
    .append(Buffer.from(signature))
    .add(4, bytes.length)
    .add(1, revision, 0)
    .append(Buffer.from('HARTBXHARTBOX '))
    .add(4, 1)
    .append(Buffer.from('HRTB'))
    .add(4, 1);
  bytes.set(header.bytes);
  bytes.set(content, HEADER_BYTES);
  return { signature, bytes, pointers: [] };
}

/** Fixed description: no fixed hardware at all (§5.2.9, §4.1). */
function fadt(): AcpiTable {
  const made = table('FACP', 6, new Array<number>(FADT_BYTES - HEADER_BYTES).fill(0));
  const view = new DataView(made.bytes.buffer);
  view.setUint32(FADT_FLAGS, HARDWARE_REDUCED, true);
  view.setUint8(FADT_MINOR, 5);
  made.pointers = [{ offset: FADT_DSDT, to: 'DSDT' }];
  return made;
}

/** Interrupt controllers: that of each hart, and those that devices are wired to (§5.2.12.23 to §5.2.12.27). */
function madt({ harts, interrupts }: AcpiMachine): AcpiTable {
  const fields = new Fields().add(4, 0, 0);
  const imsics = interrupts.kind === 'aplic' ? interrupts.imsics : undefined;
  for (let hart = 0; hart < harts; hart++) {
    // Which of the controller's outputs is the hart's at supervisor level; with IMSICs there is none.
    const output = interrupts.kind === 'plic' ? 2 * hart + 1 : imsics ? 0 : hart;
    fields.add(1, 0x18, 36, 1, 0).add(4, 1).add(8, hart).add(4, hart, output);
    fields.add(8, imsics ? imsics.supervisor + hart * IMSIC_STRIDE : 0).add(4, imsics ? IMSIC_STRIDE : 0);
  }
  if (interrupts.kind === 'plic') {
    const bytes = PLIC_CONTEXTS_AT + 2 * harts * PLIC_CONTEXT_STRIDE;
    fields.add(1, 0x1b, 36, 1, 0).add(8, 0).add(2, interrupts.sources, 7).add(4, 0, bytes).add(8, interrupts.base).add(4, 0);
  } else {
    if (imsics) {
      const indexBits = Math.ceil(Math.log2(harts));
      // Guests of the harts have no IMSICs here, but Linux refuses to hear that these would have no identities.
      fields.add(1, 0x19, 16, 1, 0).add(4, 0).add(2, IMSIC_IDENTITIES, IMSIC_IDENTITIES).add(1, 0, indexBits, 0, 24);
    }
    const outputs = imsics ? 0 : harts;
    fields.add(1, 0x1a, 36, 1, 0).add(4, 0).add(8, 0).add(2, outputs, interrupts.sources).add(4, 0);
    fields.add(8, interrupts.domains.supervisor).add(4, APLIC_BYTES);
  }
  return table('APIC', 7, fields.bytes);
}

/** RISC-V hart capabilities (§5.2.37): the ISA, the kind of page tables, cache blocks, and the harts that have them. */
function rhct({ harts, isa, cacheBlocks, timebase }: AcpiMachine): AcpiTable {
  const firstNode = HEADER_BYTES + 20;
  const name = [...Buffer.from(`${isa}\0`)];
  if (name.length % 2) name.push(0);
  const isaNode = new Fields().add(2, 0, 8 + name.length, 1, isa.length + 1).append(name).bytes;
  const mmuNode = new Fields().add(2, 2, 8, 1).add(1, 0, 1).bytes;
  const { managed, prefetched, zeroed } = cacheBlocks;
  const blockNode = new Fields().add(2, 1, 10, 1).add(1, 0, managed, prefetched, zeroed).bytes;
  const nodes = managed + prefetched + zeroed > 0 ? [isaNode, mmuNode, blockNode] : [isaNode, mmuNode];
  const fields = new Fields()
    .add(4, 0)
    .add(8, timebase)
    .add(4, nodes.length + harts, firstNode);
  const offsets: number[] = [];
  for (const node of nodes) {
    offsets.push(HEADER_BYTES + fields.bytes.length);
    fields.append(node);
  }
  for (let hart = 0; hart < harts; hart++) {
    fields.add(2, 0xffff, 12 + 4 * offsets.length, 1, offsets.length).add(4, hart, ...offsets);
  }
  return table('RHCT', 1, fields.bytes);
}

/** The serial port for messages (Microsoft's Serial Port Console Redirection table, revision 2). */
function spcr({ uart }: AcpiMachine): AcpiTable {
  // 16550 in memory, registers of one byte; wired to a RISC-V interrupt controller; 115200 baud, 8N1, ANSI; no PCI device.
  const fields = new Fields().add(1, 0, 0, 0, 0).add(1, 0, 8, 0, 1).add(8, uart.base).add(1, 0x10, 0).add(4, uart.source);
  fields.add(1, 7, 0, 1, 0, 3, 0).add(2, 0xffff, 0xffff).add(1, 0, 0, 0).add(4, 0).add(1, 0).add(4, 0);
  return table('SPCR', 2, fields.bytes);
}

/** Where PCI configuration space is (PCI Firmware Specification 3.3 §4.1.2). */
function mcfg({ pci: { ecam } }: AcpiMachine): AcpiTable {
  const fields = new Fields().add(8, 0, ecam.base).add(2, 0).add(1, 0, lastBus(ecam)).add(4, 0);
  return table('MCFG', 1, fields.bytes);
}

function lastBus(ecam: PciMap['ecam']): number {
  return ecam.size / PCI_BUS_BYTES - 1;
}

/** The PCI host bridge with its windows, and the wires to which its devices' interrupt pins go. */
function pciBridge({ ecam, io, memory32: low, memory64: high, firstSource }: PciMap): Aml[] {
  const wire = (i: number): string => `L00${i}`;
  // Links and not just numbers: without one, Linux takes a PCI interrupt for active low.
  const links = Array.from({ length: PCI_PINS }, (_, i) =>
    device(wire(i), [
      named('_HID', eisaId('PNP0C0F')),
      named('_UID', integer(i)),
      named('_PRS', resources([interrupt(firstSource + i)])),
      named('_CRS', resources([interrupt(firstSource + i)])),
      emptyMethod('_SRS', 1),
    ]),
  );
  const routes = Array.from({ length: PCI_DEVICES * PCI_PINS }, (_, row) => {
    const [slot, pin] = [Math.floor(row / PCI_PINS), row % PCI_PINS];
    return packageOf([integer(slot * 0x10000 + 0xffff), integer(pin), reference(wire((slot + pin) % PCI_PINS)), integer(0)]);
  });
  const all = ({ base, size }: { base: number; size: number }) => ({ first: base, last: base + size - 1 });
  return [
    ...links,
    device('PCI0', [
      named('_HID', eisaId('PNP0A08')),
      named('_CID', eisaId('PNP0A03')),
      named('_UID', integer(0)),
      named('_SEG', integer(0)),
      named('_BBN', integer(0)),
      named('_CCA', integer(1)),
      named('_CBA', integer(ecam.base)),
      named('_PRT', packageOf(routes)),
      named(
        '_CRS',
        resources([
          bridgeWindow('bus', { first: 0, last: lastBus(ecam) }),
          bridgeWindow('memory', all(low)),
          bridgeWindow('io', { first: 0, last: io.size - 1, translation: io.base }),
          bridgeWindow('memory', all(high)),
        ]),
      ),
      // Configuration space is no one else's.
      device('RES0', [named('_HID', eisaId('PNP0C02')), named('_CRS', resources([memory32(ecam.base, ecam.size)]))]),
    ]),
  ];
}

function dsdt(machine: AcpiMachine): Aml {
  const { harts, interrupts, uart, fwCfg, virtio, pci } = machine;
  const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');
  const processors = Array.from({ length: harts }, (_, hart) =>
    device(`C${hex(hart, 3)}`, [named('_HID', string('ACPI0007')), named('_UID', integer(hart))]),
  );
  const [controller, controllerBase] =
    interrupts.kind === 'plic' ? ['RSCV0001', interrupts.base] : ['RSCV0002', interrupts.domains.supervisor];
  const controllerBytes = interrupts.kind === 'plic' ? PLIC_CONTEXTS_AT + 2 * harts * PLIC_CONTEXT_STRIDE : APLIC_BYTES;
  return scope('\\_SB', [
    ...processors,
    device('IC00', [
      named('_HID', string(controller)),
      named('_UID', integer(0)),
      // Number of its first interrupt among all that the operating system counts.
      named('_GSB', integer(0)),
      named('_CRS', resources([memory32(controllerBase, controllerBytes)])),
    ]),
    device('COM0', [
      named('_HID', string('RSCV0003')),
      named('_UID', integer(0)),
      named('_CRS', resources([memory32(uart.base, 0x100), interrupt(uart.source)])),
      named('_DSD', deviceProperties({ 'clock-frequency': uart.clock })),
    ]),
    device('FWCF', [
      named('_HID', string('QEMU0002')),
      named('_STA', integer(0x0b)),
      named('_CCA', integer(1)),
      named('_CRS', resources([memory32(fwCfg.base, fwCfg.size)])),
    ]),
    ...virtio.map(({ base, size, source }, i) =>
      device(`VR${hex(i, 2)}`, [
        named('_HID', string('LNRO0005')),
        named('_UID', integer(i)),
        named('_CCA', integer(1)),
        named('_CRS', resources([memory32(base, size), interrupt(source)])),
      ]),
    ),
    ...pciBridge(pci),
  ]);
}
