function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`not a device tree blob: ${what}`);
}

export interface ParsedNode {
  name: string;
  properties: Record<string, number[]>;
  children: ParsedNode[];
}

/** Reads a flattened device tree; written from the specification alone. Throws where the format is broken. */
export function readDeviceTree(blob: Uint8Array): ParsedNode {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.length);
  const [magic, total, structure, strings, reservations, version, , , stringsSize, structureSize] = Array.from({ length: 10 }, (_, i) =>
    view.getUint32(4 * i),
  );
  check(magic === 0xd00dfeed && total <= blob.length && version === 17 && reservations % 8 === 0, 'header');
  check(structure + structureSize <= total && strings + stringsSize <= total, 'layout');
  let at = structure;
  const word = () => {
    at += 4;
    return view.getUint32(at - 4);
  };
  const cString = (from: number) => new TextDecoder().decode(blob.subarray(from, blob.indexOf(0, from)));
  const node = (): ParsedNode => {
    const name = cString(at);
    at = (at + new TextEncoder().encode(name).length + 4) & ~3;
    const parsed: ParsedNode = { name, properties: {}, children: [] };
    for (;;) {
      const token = word();
      if (token === 2) return parsed;
      if (token === 1) parsed.children.push(node());
      else {
        check(token === 3, 'token');
        const length = word();
        const key = cString(strings + word());
        parsed.properties[key] = [...blob.subarray(at, at + length)];
        at = (at + length + 3) & ~3;
      }
    }
  };
  check(word() === 1, 'first token');
  const root = node();
  check(word() === 9, 'last token');
  return root;
}
