import { z } from 'zod';
import { bytesSchema, loadBytes, saveBytes } from '../../../bus/device-state';
import type { ScatterGatherList } from '../../../memory/scatter-gather-list';

const MAC_BYTES = 6;
/** Addresses of each sort that are kept; with more of them the filter lets all of that sort through. */
const TABLE_MAX = 64;
const VLANS = 4096;

// Commands of the class VIRTIO_NET_CTRL_RX (virtio 1.3 §5.1.6.5.1).
const MODES = ['promiscuous', 'allMulticast', 'allUnicast', 'noMulticast', 'noUnicast', 'noBroadcast'] as const;
type Mode = (typeof MODES)[number];
type Modes = Record<Mode, boolean>;

const tableSchema = z.strictObject({ overflow: z.boolean(), addresses: z.array(z.string().length(2 * MAC_BYTES)).max(TABLE_MAX) });

export const receiveFilterSchema = z.strictObject({
  modes: z.strictObject({
    promiscuous: z.boolean(),
    allMulticast: z.boolean(),
    allUnicast: z.boolean(),
    noMulticast: z.boolean(),
    noUnicast: z.boolean(),
    noBroadcast: z.boolean(),
  }),
  unicast: tableSchema,
  multicast: tableSchema,
  /** One bit for each VLAN. */
  vlans: bytesSchema,
});

interface AddressTable {
  /** There were more than fit. */
  overflow: boolean;
  addresses: Set<string>;
}

/** Which frames the guest wants to see: modes, addresses and VLANs, as its driver sets them by control commands (§5.1.6.5). */
export class ReceiveFilter {
  #modes = noModes();
  #unicast: AddressTable = emptyTable();
  #multicast: AddressTable = emptyTable();
  readonly #vlans = new Uint8Array(VLANS / 8);

  constructor() {
    this.reset();
  }

  /** Everything comes through until the driver says otherwise, but for VLANs. */
  reset(): void {
    this.#modes = { ...noModes(), promiscuous: true };
    this.#unicast = emptyTable();
    this.#multicast = emptyTable();
    this.#vlans.fill(0);
  }

  save(): z.input<typeof receiveFilterSchema> {
    const table = ({ overflow, addresses }: AddressTable): z.input<typeof tableSchema> => ({ overflow, addresses: [...addresses] });
    return { modes: { ...this.#modes }, unicast: table(this.#unicast), multicast: table(this.#multicast), vlans: saveBytes(this.#vlans) };
  }

  load({ modes, unicast, multicast, vlans }: z.output<typeof receiveFilterSchema>): void {
    this.#modes = { ...modes };
    this.#unicast = { overflow: unicast.overflow, addresses: new Set(unicast.addresses) };
    this.#multicast = { overflow: multicast.overflow, addresses: new Set(multicast.addresses) };
    this.#vlans.set(loadBytes(vlans).subarray(0, this.#vlans.length));
  }

  /** A command of the class VIRTIO_NET_CTRL_RX; false for one that there is not. */
  setMode(command: number, on: boolean): boolean {
    if (command >= MODES.length) return false;
    this.#modes[MODES[command]] = on;
    return true;
  }

  /** VIRTIO_NET_CTRL_MAC_TABLE_SET: two tables, of single and of group addresses, each behind its number of entries. */
  setTables(data: ScatterGatherList, at: number): boolean {
    const unicast = readTable(data, at);
    const multicast = unicast && readTable(data, unicast.end);
    if (!multicast) return false;
    this.#unicast = unicast.table;
    this.#multicast = multicast.table;
    return true;
  }

  setVlan(id: number, wanted: boolean): boolean {
    if (id >= VLANS) return false;
    if (wanted) this.#vlans[id >>> 3] |= 1 << (id & 7);
    else this.#vlans[id >>> 3] &= ~(1 << (id & 7));
    return true;
  }

  /** Whether a frame that begins with `head` is for a guest with this address. */
  accepts(head: Uint8Array, mac: Uint8Array, vlans: boolean): boolean {
    if (vlans && head.length >= 16 && head[12] === 0x81 && head[13] === 0) {
      const id = ((head[14] << 8) | head[15]) & 0xfff;
      if ((this.#vlans[id >>> 3] & (1 << (id & 7))) === 0) return false;
    }
    const modes = this.#modes;
    if (modes.promiscuous) return true;
    if (head[0] & 1) {
      if (isBroadcast(head)) return !modes.noBroadcast;
      if (modes.noMulticast) return false;
      return modes.allMulticast || has(this.#multicast, head);
    }
    if (modes.noUnicast) return false;
    return modes.allUnicast || isSame(head, mac) || has(this.#unicast, head);
  }
}

function noModes(): Modes {
  return { promiscuous: false, allMulticast: false, allUnicast: false, noMulticast: false, noUnicast: false, noBroadcast: false };
}

function emptyTable(): AddressTable {
  return { overflow: false, addresses: new Set() };
}

function readTable(data: ScatterGatherList, at: number): { table: AddressTable; end: number } | undefined {
  if (at + 4 > data.length) return undefined;
  const count = data.readU32(at);
  const end = at + 4 + MAC_BYTES * count;
  if (end > data.length) return undefined;
  const table = emptyTable();
  if (count > TABLE_MAX) return { table: { ...table, overflow: true }, end };
  const address = new Uint8Array(MAC_BYTES);
  for (let i = 0; i < count; i++) {
    data.copyTo(address, at + 4 + MAC_BYTES * i);
    table.addresses.add(key(address));
  }
  return { table, end };
}

function has({ overflow, addresses }: AddressTable, head: Uint8Array): boolean {
  return overflow || (addresses.size > 0 && addresses.has(key(head)));
}

/** The address that the bytes begin with, as text. */
function key(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < MAC_BYTES; i++) text += bytes[i].toString(16).padStart(2, '0');
  return text;
}

function isBroadcast(head: Uint8Array): boolean {
  for (let i = 0; i < MAC_BYTES; i++) if (head[i] !== 0xff) return false;
  return true;
}

function isSame(head: Uint8Array, mac: Uint8Array): boolean {
  for (let i = 0; i < MAC_BYTES; i++) if (head[i] !== mac[i]) return false;
  return true;
}
