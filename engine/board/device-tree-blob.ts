import { VmError } from '../errors/vm-error';
import type { DeviceTreeCell, DeviceTreeNode, DeviceTreeValue } from '../bus/device-tree';

// Flattened device tree, format version 17 (Devicetree Specification 0.4 §5).
const MAGIC = 0xd00dfeed;
const VERSION = 17;
const LAST_COMPATIBLE_VERSION = 16;
const HEADER_BYTES = 40;
/** One all-zero entry ends the memory reservation block. */
const RESERVATIONS_BYTES = 16;
const BEGIN_NODE = 1;
const END_NODE = 2;
const PROP = 3;
const END = 9;

const encoder = new TextEncoder();

/** Grows as it is written; big-endian. */
class ByteWriter {
  private bytes = new Uint8Array(4096);
  length = 0;

  u32(value: number): void {
    this.reserve(4);
    new DataView(this.bytes.buffer).setUint32(this.length, value, false);
    this.length += 4;
  }

  raw(data: Uint8Array): void {
    this.reserve(data.length);
    this.bytes.set(data, this.length);
    this.length += data.length;
  }

  text(value: string): void {
    this.raw(encoder.encode(`${value}\0`));
  }

  align(): void {
    this.reserve(3);
    this.length = (this.length + 3) & ~3;
  }

  done(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  private reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more));
    grown.set(this.bytes);
    this.bytes = grown;
  }
}

/** Labelled nodes are numbered from 1 in the order of the tree. */
function numberLabels(node: DeviceTreeNode, phandles: Map<string, number>): Map<string, number> {
  if (node.label !== undefined) {
    if (phandles.has(node.label)) throw new VmError('Internal', `Two device-tree nodes have the label ${node.label}.`);
    phandles.set(node.label, phandles.size + 1);
  }
  for (const child of node.children ?? []) numberLabels(child, phandles);
  return phandles;
}

function writeCell(out: ByteWriter, cell: DeviceTreeCell, phandles: Map<string, number>): void {
  if (typeof cell === 'number') {
    out.u32(cell);
  } else if ('u64' in cell) {
    out.u32(Math.floor(cell.u64 / 0x1_0000_0000));
    out.u32(cell.u64 % 0x1_0000_0000);
  } else {
    const phandle = phandles.get(cell.ref);
    if (phandle === undefined) throw new VmError('Internal', `The device tree refers to ${cell.ref}, but no node has that label.`);
    out.u32(phandle);
  }
}

function encodeValue(value: DeviceTreeValue, phandles: Map<string, number>): Uint8Array {
  const out = new ByteWriter();
  if (typeof value === 'string') out.text(value);
  else if (value instanceof Uint8Array) out.raw(value);
  else if (value !== true) {
    for (const item of value) {
      if (typeof item === 'string') out.text(item);
      else writeCell(out, item, phandles);
    }
  }
  return out.done();
}

/** The flattened form of a tree; `root` is the root node, whose name is not used. */
export function deviceTreeBlob(root: DeviceTreeNode, bootHart = 0): Uint8Array {
  const phandles = numberLabels(root, new Map());
  const structure = new ByteWriter();
  const strings = new ByteWriter();
  const stringOffsets = new Map<string, number>();

  const property = (name: string, value: DeviceTreeValue): void => {
    let nameOffset = stringOffsets.get(name);
    if (nameOffset === undefined) {
      nameOffset = strings.length;
      stringOffsets.set(name, nameOffset);
      strings.text(name);
    }
    const encoded = encodeValue(value, phandles);
    structure.u32(PROP);
    structure.u32(encoded.length);
    structure.u32(nameOffset);
    structure.raw(encoded);
    structure.align();
  };

  const node = (tree: DeviceTreeNode, name: string): void => {
    structure.u32(BEGIN_NODE);
    structure.text(name);
    structure.align();
    for (const [key, value] of Object.entries(tree.properties)) property(key, value);
    if (tree.label !== undefined) property('phandle', [phandles.get(tree.label) ?? 0]);
    for (const child of tree.children ?? []) node(child, child.name);
    structure.u32(END_NODE);
  };
  node(root, '');
  structure.u32(END);

  const structureAt = HEADER_BYTES + RESERVATIONS_BYTES;
  const stringsAt = structureAt + structure.length;
  const total = stringsAt + strings.length;
  const out = new ByteWriter();
  const header = [
    MAGIC,
    total,
    structureAt,
    stringsAt,
    HEADER_BYTES,
    VERSION,
    LAST_COMPATIBLE_VERSION,
    bootHart,
    strings.length,
    structure.length,
  ];
  for (const word of header) out.u32(word);
  out.raw(new Uint8Array(RESERVATIONS_BYTES));
  out.raw(structure.done());
  out.raw(strings.done());
  return out.done();
}
