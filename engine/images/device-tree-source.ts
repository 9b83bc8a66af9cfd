import type { FileNode } from './device-tree-file';

/** A tree as source text, which dtc compiles to the same (Devicetree Specification 0.4 §6). Phandles stay numbers: a blob has no labels. */
export function deviceTreeSource(root: FileNode): string {
  return `/dts-v1/;\n\n${nodeSource(root, '/', '')}`;
}

function nodeSource(node: FileNode, name: string, indent: string): string {
  const inner = `${indent}\t`;
  const properties = Object.entries(node.properties).map(([key, value]) => `${inner}${key}${valueSource(value)};\n`);
  const children = node.children.map((child) => `\n${nodeSource(child, child.name, inner)}`);
  return `${indent}${name} {\n${properties.join('')}${children.join('')}${indent}};\n`;
}

/** Nothing in a blob says what a value is: what looks like text is taken for text, and what fills cells for cells. */
function valueSource(value: Uint8Array): string {
  if (value.length === 0) return '';
  if (isText(value)) {
    const texts = Buffer.from(value.subarray(0, -1)).toString('latin1').split('\0');
    return ` = ${texts.map((text) => `"${text.replace(/["\\]/g, '\\$&')}"`).join(', ')}`;
  }
  if (value.length % 4 !== 0) return ` = [${Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join(' ')}]`;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  return ` = <${Array.from({ length: value.length / 4 }, (_, i) => `0x${view.getUint32(4 * i).toString(16)}`).join(' ')}>`;
}

/** Printable strings, none of them empty, each with its end. */
function isText(value: Uint8Array): boolean {
  if (value[value.length - 1] !== 0) return false;
  return value.every((byte, i) => (byte === 0 ? i > 0 && value[i - 1] !== 0 : byte >= 0x20 && byte < 0x7f));
}
