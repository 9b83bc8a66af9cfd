import { imageError, type ImageFile } from './image-file';

// Flattened device tree (Devicetree Specification 0.4 §5).
const MAGIC = 0xd00dfeed;
const HEADER_BYTES = 40;
const LAST_COMPATIBLE_VERSION = 17;
const FIRST_VERSION = 16;
const BEGIN_NODE = 1;
const END_NODE = 2;
const PROP = 3;
const NOP = 4;
const END = 9;
/** More than any tree has; a hostile one shall neither nest without end nor name the same string a million times. */
const DEPTH_MAX = 64;
const ITEMS_MAX = 200_000;
const NAME_MAX = 1024;

/** A node of a tree as it stands in a file: values are bytes. */
export interface FileNode {
  name: string;
  properties: Record<string, Uint8Array>;
  children: FileNode[];
}

export function isDeviceTree(bytes: Uint8Array): boolean {
  return bytes.length >= HEADER_BYTES && bytes[0] === 0xd0 && bytes[1] === 0x0d && bytes[2] === 0xfe && bytes[3] === 0xed;
}

/** Bytes that the tree takes in a file in which more may follow. */
export function deviceTreeBytes(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(4);
}

/** The tree in a file. Throws VmError 'Image' for what is none, or is damaged. */
export function readDeviceTree(file: ImageFile): FileNode {
  const { bytes } = file;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const corrupt = (problem: string): Error => imageError(file, `is corrupt: ${problem}.`, { code: 'image-corrupt' });
  if (!isDeviceTree(bytes) || view.getUint32(0) !== MAGIC)
    throw imageError(file, 'is no device tree blob. Compile a source with: dtc -I dts -O dtb.', { code: 'image-no-device-tree' });
  const [, total, structure, strings, , version, compatible, , stringBytes] = Array.from({ length: 10 }, (_, i) => view.getUint32(4 * i));
  if (version < FIRST_VERSION || compatible > LAST_COMPATIBLE_VERSION) throw corrupt(`its format has version ${version}; 17 is expected`);
  if (total > bytes.length)
    throw imageError(file, `is truncated: its device tree should have ${total} bytes, and the file has ${bytes.length}.`, {
      code: 'image-truncated',
    });
  if (structure % 4 !== 0 || structure > total || strings + stringBytes > total) throw corrupt('its parts lie outside of it');

  let at = structure;
  let items = 0;
  const word = (): number => {
    if (at + 4 > total) throw corrupt('its tree does not end');
    if (++items > ITEMS_MAX) throw corrupt(`it has more than ${ITEMS_MAX} items`);
    at += 4;
    return view.getUint32(at - 4);
  };
  const text = (from: number, limit: number): string => {
    const end = bytes.subarray(from, Math.min(limit, from + NAME_MAX)).indexOf(0);
    if (end < 0) throw corrupt('a name in it does not end');
    return Buffer.from(bytes.buffer, bytes.byteOffset + from, end).toString('latin1');
  };
  const node = (depth: number): FileNode => {
    if (depth > DEPTH_MAX) throw corrupt(`its nodes nest deeper than ${DEPTH_MAX}`);
    const name = text(at, total);
    at = (at + name.length + 4) & ~3;
    const properties = Object.create(null) as Record<string, Uint8Array>;
    const children: FileNode[] = [];
    for (;;) {
      const token = word();
      if (token === END_NODE) return { name, properties, children };
      if (token === NOP) continue;
      if (token === BEGIN_NODE) children.push(node(depth + 1));
      else if (token === PROP) {
        const length = word();
        const offset = word();
        if (at + length > total || offset >= stringBytes) throw corrupt('a property of it lies outside of it');
        properties[text(strings + offset, strings + stringBytes)] = bytes.subarray(at, at + length);
        at = (at + length + 3) & ~3;
      } else throw corrupt(`it has a token ${token} that the format does not know`);
    }
  };
  let token = word();
  while (token === NOP) token = word();
  if (token !== BEGIN_NODE) throw corrupt('it has no root');
  const root = node(0);
  do token = word();
  while (token === NOP);
  if (token !== END) throw corrupt('something follows its root');
  return root;
}

/** The node under a path such as `/chosen`; undefined if there is none. */
export function nodeAt(root: FileNode, path: string): FileNode | undefined {
  let node: FileNode | undefined = root;
  for (const name of path.split('/').filter((part) => part !== '')) node = node?.children.find((child) => child.name === name);
  return node;
}

/** A property's text, without what ends it; the first of several. */
export function textOf(node: FileNode | undefined, property: string): string | undefined {
  const value = node?.properties[property];
  return value === undefined ? undefined : Buffer.from(value).toString('latin1').split('\0')[0];
}

/** A property's number of one or two cells. */
export function numberOf(node: FileNode | undefined, property: string): number | undefined {
  const value = node?.properties[property];
  if (value?.length !== 4 && value?.length !== 8) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  return value.length === 4 ? view.getUint32(0) : view.getUint32(0) * 0x1_0000_0000 + view.getUint32(4);
}
