import type { AcpiTable } from './acpi-tables';

/** Files of fw_cfg by which firmware puts ACPI tables into memory (QEMU's table-loader interface). */
export const ACPI_FILES = { tables: 'etc/acpi/tables', rootPointer: 'etc/acpi/rsdp', loader: 'etc/table-loader' } as const;

const COMMAND_BYTES = 128;
const NAME_BYTES = 56;
const [ALLOCATE, ADD_POINTER, ADD_CHECKSUM] = [1, 2, 3];
const [ZONE_HIGH, ZONE_FSEG] = [1, 2];
/** Offset of the checksum in a table's header. */
const CHECKSUM = 9;
const TABLE_ALIGNMENT = 64;

// The root pointer of ACPI 2.0 (ACPI 6.5 §5.2.5.3).
const ROOT_BYTES = 36;
const ROOT_XSDT = 24;
const ROOT_CHECKSUM = 8;
const ROOT_FIRST_BYTES = 20;
const ROOT_EXTENDED_CHECKSUM = 32;

/** The tables in one piece, the root pointer, and the script that says where firmware puts addresses and checksums. */
export function acpiFiles(tables: AcpiTable[]): Map<string, Uint8Array> {
  const places = new Map<string, number>();
  let end = 0;
  for (const { signature, bytes } of tables) {
    places.set(signature, end);
    end += Math.ceil(bytes.length / TABLE_ALIGNMENT) * TABLE_ALIGNMENT;
  }
  const all = new Uint8Array(end);
  const view = new DataView(all.buffer);
  const script: Uint8Array[] = [allocate(ACPI_FILES.tables, TABLE_ALIGNMENT, ZONE_HIGH), allocate(ACPI_FILES.rootPointer, 16, ZONE_FSEG)];
  const place = (signature: string): number => places.get(signature) as number;
  for (const { signature, bytes, pointers } of tables) {
    const at = place(signature);
    all.set(bytes, at);
    for (const { offset, to } of pointers) {
      // Until firmware adds the piece's address to it, a pointer is an offset in the piece.
      view.setUint32(at + offset, place(to), true);
      script.push(addPointer(ACPI_FILES.tables, at + offset));
    }
    script.push(addChecksum(ACPI_FILES.tables, at + CHECKSUM, at, bytes.length));
  }

  const root = new Uint8Array(ROOT_BYTES);
  root.set(Buffer.from('RSD PTR \0HARTBX\x02', 'latin1'));
  new DataView(root.buffer).setUint32(20, ROOT_BYTES, true);
  new DataView(root.buffer).setUint32(ROOT_XSDT, place('XSDT'), true);
  script.push(
    addPointer(ACPI_FILES.rootPointer, ROOT_XSDT),
    addChecksum(ACPI_FILES.rootPointer, ROOT_CHECKSUM, 0, ROOT_FIRST_BYTES),
    addChecksum(ACPI_FILES.rootPointer, ROOT_EXTENDED_CHECKSUM, 0, ROOT_BYTES),
  );
  return new Map([
    [ACPI_FILES.tables, all],
    [ACPI_FILES.rootPointer, root],
    [ACPI_FILES.loader, Buffer.concat(script)],
  ]);
}

function command(kind: number, files: string[], numbers: number[], byte?: number): Uint8Array {
  const entry = Buffer.alloc(COMMAND_BYTES);
  entry.writeUInt32LE(kind, 0);
  for (const [i, name] of files.entries()) entry.write(name, 4 + NAME_BYTES * i, 'latin1');
  const at = 4 + NAME_BYTES * files.length;
  for (const [i, number] of numbers.entries()) entry.writeUInt32LE(number, at + 4 * i);
  if (byte !== undefined) entry[at + 4 * numbers.length] = byte;
  return entry;
}

function allocate(file: string, alignment: number, zone: number): Uint8Array {
  return command(ALLOCATE, [file], [alignment], zone);
}

/** Add the address of the tables to the 8 bytes at `offset` of a file. */
function addPointer(file: string, offset: number): Uint8Array {
  return command(ADD_POINTER, [file, ACPI_FILES.tables], [offset], 8);
}

function addChecksum(file: string, offset: number, start: number, length: number): Uint8Array {
  return command(ADD_CHECKSUM, [file], [offset, start, length]);
}
