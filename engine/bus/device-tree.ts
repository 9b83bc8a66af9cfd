/** A device-tree node as devices describe it; device-tree-blob.ts turns the tree into the flattened form. */
export interface DeviceTreeNode {
  /** `name` or `name@unit-address`. */
  name: string;
  properties: Record<string, DeviceTreeValue>;
  children?: DeviceTreeNode[];
  /** Other nodes refer to this one by label: `{ ref: 'plic' }`. */
  label?: string;
}

/**
 * true: an empty property. string / string[]: NUL-terminated text. number[]: 32-bit cells; `{ u64 }` takes two
 * cells, `{ ref }` becomes the phandle of the labelled node. Uint8Array: raw bytes.
 */
export type DeviceTreeValue = true | string | string[] | DeviceTreeCell[] | Uint8Array;
export type DeviceTreeCell = number | { u64: number } | { ref: string };
