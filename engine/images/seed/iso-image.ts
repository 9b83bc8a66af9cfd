import { VmError } from '../../errors/vm-error';

const SECTOR = 2048;
/** Sectors: of the descriptors, of the two path tables of each tree in both byte orders, of the two root folders; files lie behind. */
const [DESCRIPTORS, PATH_TABLES, ROOTS, FILES] = [16, 19, 23, 25];
/** What a name may have in Joliet ("Joliet Specification", 1995), in UTF-16 units. */
const NAME_MAX = 64;

export interface IsoFile {
  name: string;
  contents: Uint8Array;
}

/**
 * A disc with some files in its root folder: ISO 9660 (ECMA-119) with Joliet, by which Linux and the BSDs see the names as they are.
 * `label`: at most 16 capitals, digits and underscores. Times are zero, so that the same files give the same bytes. Throws VmError 'Config'
 * for names that do not fit, and for more files than one sector of the folder holds.
 */
export function isoImage(label: string, files: readonly IsoFile[]): Uint8Array {
  if (!/^[A-Z0-9_]{1,16}$/.test(label))
    throw VmError.config(`"${label}" cannot be the label of a disc: capitals, digits and _, at most 16`);
  for (const { name } of files) {
    if (name === '' || name.length > NAME_MAX || /[\0-\x1f*/:;?\\]/.test(name))
      throw VmError.config(`"${name}" cannot be the name of a file on a disc`);
  }
  const starts: number[] = [];
  let end = FILES;
  for (const { contents } of files) {
    starts.push(end);
    end += Math.ceil(contents.length / SECTOR);
  }
  const image = Buffer.alloc(end * SECTOR);
  const trees = [plainTree(label), jolietTree(label)];
  for (const [at, tree] of trees.entries()) {
    const root = ROOTS + at;
    const tables = PATH_TABLES + 2 * at;
    descriptor(tree, { root, tables, sectors: end }).copy(image, (DESCRIPTORS + at) * SECTOR);
    pathTable(root, false).copy(image, tables * SECTOR);
    pathTable(root, true).copy(image, (tables + 1) * SECTOR);
    const listed = files.map(({ name, contents }, index) => ({
      name: tree.name(name, index),
      start: starts[index],
      bytes: contents.length,
    }));
    // In the order that the standard asks for, by which some look for a name (ECMA-119 §9.3).
    listed.sort((a, b) => a.name.compare(b.name));
    const records = [
      record(Buffer.from([0]), root, SECTOR, true),
      record(Buffer.from([1]), root, SECTOR, true),
      ...listed.map(({ name, start, bytes }) => record(name, start, bytes, false)),
    ];
    const folder = Buffer.concat(records);
    if (folder.length > SECTOR) throw VmError.config(`${files.length} files are too many for the folder of a disc`);
    folder.copy(image, root * SECTOR);
  }
  image.write('\xffCD001\x01', (DESCRIPTORS + 2) * SECTOR, 'latin1');
  for (const [at, { contents }] of files.entries()) image.set(contents, starts[at] * SECTOR);
  return image;
}

/** What differs between the tree of plain names and that of Joliet. */
interface Tree {
  type: number;
  /** Which characters it has; empty for the plain tree. */
  escape: string;
  text: (text: string, bytes: number) => Buffer;
  label: string;
  name: (name: string, index: number) => Buffer;
}

function plainTree(label: string): Tree {
  return {
    type: 1,
    escape: '',
    label,
    text: (text, bytes) => Buffer.from(text.padEnd(bytes, ' '), 'latin1'),
    // Nobody is to read these; that they differ is enough.
    name: (name, index) =>
      Buffer.from(
        `${name
          .toUpperCase()
          .replace(/[^A-Z0-9]/g, '')
          .slice(0, 5)}${`${index}`.padStart(3, '0')}.;1`,
        'latin1',
      ),
  };
}

function jolietTree(label: string): Tree {
  const big = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();
  return { type: 2, escape: '%/E', label, text: (text, bytes) => big(text.padEnd(bytes / 2, ' ')), name: (name) => big(`${name};1`) };
}

/** A number in both byte orders (ECMA-119 §7.2.3, §7.3.3). */
function both16(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16LE(value, 0);
  bytes.writeUInt16BE(value, 2);
  return bytes;
}
function both32(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value, 0);
  bytes.writeUInt32BE(value, 4);
  return bytes;
}

/** A folder's record of a file or folder (ECMA-119 §9.1). */
function record(name: Buffer, start: number, bytes: number, isFolder: boolean): Buffer {
  const length = 33 + name.length + ((33 + name.length) % 2);
  const entry = Buffer.alloc(length);
  entry[0] = length;
  both32(start).copy(entry, 2);
  both32(bytes).copy(entry, 10);
  // 1 January 1980: of a date of zeros some make an error.
  entry.set([80, 1, 1, 0, 0, 0, 0], 18);
  entry[25] = isFolder ? 2 : 0;
  both16(1).copy(entry, 28);
  entry[32] = name.length;
  name.copy(entry, 33);
  return entry;
}

/** ECMA-119 §8.4, §8.5. */
function descriptor(tree: Tree, { root, tables, sectors }: { root: number; tables: number; sectors: number }): Buffer {
  const block = Buffer.alloc(SECTOR);
  block[0] = tree.type;
  block.write('CD001\x01', 1, 'latin1');
  tree.text('', 32).copy(block, 8);
  tree.text(tree.label, 32).copy(block, 40);
  both32(sectors).copy(block, 80);
  block.write(tree.escape, 88, 'latin1');
  both16(1).copy(block, 120);
  both16(1).copy(block, 124);
  both16(SECTOR).copy(block, 128);
  both32(10).copy(block, 132);
  block.writeUInt32LE(tables, 140);
  block.writeUInt32BE(tables + 1, 148);
  record(Buffer.from([0]), root, SECTOR, true).copy(block, 156);
  for (const [at, bytes] of [
    [190, 128],
    [318, 128],
    [446, 128],
    [574, 128],
    [702, 37],
    [739, 37],
    [776, 37],
  ])
    tree.text('', bytes - (tree.type === 2 ? bytes % 2 : 0)).copy(block, at);
  for (const at of [813, 830, 847, 864]) block.write('0000000000000000', at, 'latin1');
  block[881] = 1;
  return block;
}

/** The root folder, in one byte order or the other (ECMA-119 §9.4). */
function pathTable(root: number, isBig: boolean): Buffer {
  const table = Buffer.alloc(10);
  table[0] = 1;
  if (isBig) {
    table.writeUInt32BE(root, 2);
    table.writeUInt16BE(1, 6);
  } else {
    table.writeUInt32LE(root, 2);
    table.writeUInt16LE(1, 6);
  }
  return table;
}
