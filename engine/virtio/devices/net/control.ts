import type { ScatterGatherList } from '../../../memory/scatter-gather-list';
import {
  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_RX_EXTRA,
  VIRTIO_NET_F_CTRL_VLAN,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  VIRTIO_NET_F_MQ,
  guestOffloads,
} from './features';
import type { ReceiveFilter } from './receive-filter';

// Classes and commands of the control queue (virtio 1.3 §5.1.6.5).
const CLASS_RX = 0;
const CLASS_MAC = 1;
const MAC_TABLE_SET = 0;
const MAC_ADDR_SET = 1;
const CLASS_VLAN = 2;
const VLAN_ADD = 0;
const VLAN_DEL = 1;
const CLASS_ANNOUNCE = 3;
const ANNOUNCE_ACK = 0;
const CLASS_MQ = 4;
const MQ_PAIRS_SET = 0;
const CLASS_GUEST_OFFLOADS = 5;
const GUEST_OFFLOADS_SET = 0;

/** Of the modes those up to here come with CTRL_RX, the others with CTRL_RX_EXTRA. */
const RX_MODES = 2;
/** Class and command. */
const COMMAND_BYTES = 2;
const MAC_BYTES = 6;

/** What the driver's commands act on. */
export interface Controlled {
  features: ReadonlySet<number>;
  filter: ReceiveFilter;
  maxPairs: number;
  setMac(address: Uint8Array): void;
  setPairs(pairs: number): void;
  setOffloads(bits: readonly number[]): void;
  announced(): void;
}

/** Do what a command says; false where it cannot be done. */
export function performControl(command: ScatterGatherList, device: Controlled): boolean {
  if (command.length < COMMAND_BYTES) return false;
  const { features, filter } = device;
  const what = command.readU8(1);
  const has = (bytes: number): boolean => command.length >= COMMAND_BYTES + bytes;
  switch (command.readU8(0)) {
    case CLASS_RX: {
      const needed = what < RX_MODES ? VIRTIO_NET_F_CTRL_RX : VIRTIO_NET_F_CTRL_RX_EXTRA;
      return features.has(needed) && has(1) && filter.setMode(what, command.readU8(COMMAND_BYTES) !== 0);
    }
    case CLASS_MAC: {
      if (what === MAC_TABLE_SET) return features.has(VIRTIO_NET_F_CTRL_RX) && filter.setTables(command, COMMAND_BYTES);
      if (what !== MAC_ADDR_SET || !features.has(VIRTIO_NET_F_CTRL_MAC_ADDR) || !has(MAC_BYTES)) return false;
      const address = new Uint8Array(MAC_BYTES);
      command.copyTo(address, COMMAND_BYTES);
      device.setMac(address);
      return true;
    }
    case CLASS_VLAN:
      if (!features.has(VIRTIO_NET_F_CTRL_VLAN) || (what !== VLAN_ADD && what !== VLAN_DEL) || !has(2)) return false;
      return filter.setVlan(command.readU16(COMMAND_BYTES), what === VLAN_ADD);
    case CLASS_ANNOUNCE:
      if (!features.has(VIRTIO_NET_F_GUEST_ANNOUNCE) || what !== ANNOUNCE_ACK) return false;
      device.announced();
      return true;
    case CLASS_MQ: {
      if (!features.has(VIRTIO_NET_F_MQ) || what !== MQ_PAIRS_SET || !has(2)) return false;
      const pairs = command.readU16(COMMAND_BYTES);
      if (pairs < 1 || pairs > device.maxPairs) return false;
      device.setPairs(pairs);
      return true;
    }
    case CLASS_GUEST_OFFLOADS: {
      if (!features.has(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) || what !== GUEST_OFFLOADS_SET || !has(8)) return false;
      const words = [command.readU32(COMMAND_BYTES), command.readU32(COMMAND_BYTES + 4)];
      const bits = Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => (words[bit >>> 5] >>> (bit & 31)) & 1);
      const allowed = guestOffloads(features);
      if (!bits.every((bit) => allowed.includes(bit))) return false;
      device.setOffloads(bits);
      return true;
    }
    default:
      return false;
  }
}
