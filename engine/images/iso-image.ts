import { VmError } from '../errors/vm-error';

const SECTOR = 2048;
/** Sectors: of the descriptors, of the two path tables of each tree in both byte orders; folders and files lie behind. */
const [DESCRIPTORS, PATH_TABLES, FOLDERS] = [16, 19, 23];
/** What a name may have in Joliet ("Joliet Specification", 1995), in UTF-16 units. */
const NAME_MAX = 64;

export interface IsoFile {
  /** With the folders that it lies in: `folder/file`. */
  name: string;
  contents: Uint8Array;
}

/**
 * A disc with some files: ISO 9660 (ECMA-119) with Joliet, by which Linux and the BSDs see the names as they are.
 * `label`: at most 16 capitals, digits and underscores. Times are the same each time, so that the same files give the same bytes. Throws VmError
 * 'Config' for names that do not fit, and for more files than one sector of a folder holds.
 */
export function isoImage(label: string, files: readonly IsoFile[]): Uint8Array {
  if (!/^[A-Z0-9_]{1,16}$/.test(label))
    throw VmError.config(`"${label}" cannot be the label of a disc: capitals, digits and _, at most 16`);
  for (const { name } of files) {
    const isFitting = name.split('/').every((part) => part !== '' && part.length <= NAME_MAX && !/[\0-\x1f*:;?\\]/.test(part));
    if (!isFitting) throw VmError.config(`"${name}" cannot be the name of a file on a disc`);
  }
  const folders = foldersOf(files.map(({ name }) => name));
  const trees = [plainTree(label), jolietTree(label)];
  let sectors = FOLDERS + trees.length * folders.length;
  const starts = files.map(({ contents }) => {
    const start = sectors;
    sectors += Math.ceil(contents.length / SECTOR);
    return start;
  });
  const image = Buffer.alloc(sectors * SECTOR);
  for (const [at, tree] of trees.entries()) {
    const places = new Map(folders.map((path, index) => [path, FOLDERS + at * folders.length + index]));
    const place = (path: string): number => places.get(path) as number;
    for (const path of folders) {
      const listed = [
        ...folders.flatMap((one, index) =>
          one !== '' && parentOf(one) === path
            ? [{ name: tree.folder(baseOf(one), index), start: place(one), bytes: SECTOR, isFolder: true }]
            : [],
        ),
        ...files.flatMap(({ name, contents }, index) =>
          parentOf(name) === path
            ? [{ name: tree.file(baseOf(name), index), start: starts[index], bytes: contents.length, isFolder: false }]
            : [],
        ),
      ];
      // In the order that the standard asks for, by which some look for a name (ECMA-119 §9.3).
      listed.sort((a, b) => a.name.compare(b.name));
      const records = [
        record(Buffer.from([0]), place(path), SECTOR, true),
        record(Buffer.from([1]), place(parentOf(path)), SECTOR, true),
        ...listed.map(({ name, start, bytes, isFolder }) => record(name, start, bytes, isFolder)),
      ];
      put(image, place(path), records, `${listed.length} files are too many for a folder of a disc`);
    }
    const rows = pathRows(folders, tree, place);
    const tables = PATH_TABLES + 2 * at;
    const full = `${folders.length} folders are too many for a disc`;
    const bytes = put(image, tables, pathTable(rows, false), full);
    put(image, tables + 1, pathTable(rows, true), full);
    descriptor(tree, { root: place(''), tables, tableBytes: bytes, sectors }).copy(image, (DESCRIPTORS + at) * SECTOR);
  }
  image.write('\xffCD001\x01', (DESCRIPTORS + 2) * SECTOR, 'latin1');
  for (const [at, { contents }] of files.entries()) image.set(contents, starts[at] * SECTOR);
  return image;
}

/** Writes what has to fit into one sector; returns its length. */
function put(image: Buffer, sector: number, parts: readonly Buffer[], full: string): number {
  const bytes = Buffer.concat(parts);
  if (bytes.length > SECTOR) throw VmError.config(full);
  bytes.copy(image, sector * SECTOR);
  return bytes.length;
}

/** The folder that something lies in: the root's name is empty, and it lies in itself. */
function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** All folders that there have to be, the root first, each behind the one that it lies in. */
function foldersOf(files: readonly string[]): string[] {
  const folders = new Set(['']);
  for (const name of files) for (const slash of name.matchAll(/\//g)) folders.add(name.slice(0, slash.index));
  return [...folders].sort((a, b) => a.split('/').length - b.split('/').length);
}

interface PathRow {
  name: Buffer;
  sector: number;
  parent: number;
}

/** Folders in the order of a path table: by their depth, then by the number of the folder that each is in, then by name (ECMA-119 §6.9.1). */
function pathRows(folders: readonly string[], tree: Tree, place: (path: string) => number): PathRow[] {
  const numbers = new Map([['', 1]]);
  const rows: PathRow[] = [{ name: Buffer.from([0]), sector: place(''), parent: 1 }];
  for (const path of numbers.keys()) {
    const inside = folders.flatMap((one, index) =>
      one !== '' && parentOf(one) === path ? [{ one, name: tree.folder(baseOf(one), index) }] : [],
    );
    inside.sort((a, b) => a.name.compare(b.name));
    for (const { one, name } of inside) {
      rows.push({ name, sector: place(one), parent: numbers.get(path) as number });
      numbers.set(one, rows.length);
    }
  }
  return rows;
}

/** What differs between the tree of plain names and that of Joliet. */
interface Tree {
  type: number;
  /** Which characters it has; empty for the plain tree. */
  escape: string;
  text: (text: string, bytes: number) => Buffer;
  label: string;
  /** Their names as they stand in folders. */
  file: (name: string, index: number) => Buffer;
  folder: (name: string, index: number) => Buffer;
}

function plainTree(label: string): Tree {
  // Nobody is to read these; that they differ is enough.
  const short = (name: string, index: number): string =>
    `${name
      .toUpperCase()
      .replace(/[^A-Z0-9]/g, '')
      .slice(0, 5)}${`${index}`.padStart(3, '0')}`;
  return {
    type: 1,
    escape: '',
    label,
    text: (text, bytes) => Buffer.from(text.padEnd(bytes, ' '), 'latin1'),
    file: (name, index) => Buffer.from(`${short(name, index)}.;1`, 'latin1'),
    folder: (name, index) => Buffer.from(short(name, index), 'latin1'),
  };
}

function jolietTree(label: string): Tree {
  const big = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();
  return {
    type: 2,
    escape: '%/E',
    label,
    text: (text, bytes) => big(text.padEnd(bytes / 2, ' ')),
    file: (name) => big(`${name};1`),
    folder: big,
  };
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
function descriptor(
  tree: Tree,
  { root, tables, tableBytes, sectors }: { root: number; tables: number; tableBytes: number; sectors: number },
): Buffer {
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
  both32(tableBytes).copy(block, 132);
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

/** The folders, in one byte order or the other (ECMA-119 §9.4). */
function pathTable(rows: readonly PathRow[], isBig: boolean): Buffer[] {
  return rows.map(({ name, sector, parent }) => {
    const row = Buffer.alloc(8 + name.length + (name.length % 2));
    row[0] = name.length;
    if (isBig) {
      row.writeUInt32BE(sector, 2);
      row.writeUInt16BE(parent, 6);
    } else {
      row.writeUInt32LE(sector, 2);
      row.writeUInt16LE(parent, 6);
    }
    name.copy(row, 8);
    return row;
  });
}
