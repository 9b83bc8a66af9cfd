import { isIPv4 } from 'node:net';
import { resolve } from 'node:path';
import { VmError } from '../../errors/vm-error';
import { addressIn, formatAddress, formatNet, type Net, parseAddress, subnet4 } from '../../index';
import { type Forward, formatForward, networksSchema } from '../../settings/network';
import type { MachineConfigInput } from '../../settings/settings';
import type { Properties } from './properties';
import type { QemuError } from './qemu-error';
import type { Wanted } from './wanted';

export type NetworkInput = NonNullable<MachineConfigInput['network']>[number];

/** A `-netdev`, or what `-nic` has of one: the other end of an adapter's cable. */
interface Netdev {
  id: string;
  where: Properties;
  values: NetworkInput;
  isUsed: boolean;
}

interface Kind {
  does: string;
  read(netdev: Properties): NetworkInput;
}

/** Adapters that a machine may have. */
const MOST = 8;
/** The net that QEMU's user networks have unless one is given. */
const USER_NET = '10.0.2.0/24';

const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const INTERFACE_NAME = /^[\w.-]{1,15}$/;

/** Kinds of other end, by QEMU's names. */
const KINDS: Readonly<Record<string, Kind>> = {
  user: {
    does: 'NAT: net=, hostfwd=, hostname=, restrict=; host=, dns= and dhcpstart= as they are anyway',
    read: userNetwork,
  },
  stream: {
    does: 'frames on a connection: server=on|off, addr.type=inet|unix with addr.host=, addr.port= or addr.path=',
    read: (netdev) => {
      const server = netdev.takeSwitch('server') ?? false;
      const address = socketAddress(netdev, 'addr');
      // Who finds nobody tries again in any case.
      netdev.ignore('reconnect', 'reconnect-ms', 'addr.keep-alive', 'addr.numeric');
      return { connection: 'stream', ...(server ? { listen: address } : { connect: address }) };
    },
  },
  dgram: {
    does: 'frames as UDP datagrams: local.type=inet, local.host=, local.port= and the same with remote',
    read: (netdev) => ({
      connection: 'dgram',
      listen: datagramAddress(netdev, 'local'),
      connect: datagramAddress(netdev, 'remote'),
    }),
  },
  tap: {
    does: 'an interface of this Linux: ifname=, script=no, downscript=no',
    read: (netdev) => {
      const name = netdev.take('ifname') ?? '';
      if (!INTERFACE_NAME.test(name)) throw netdev.wrong('ifname= names a tap interface of this Linux here');
      const scripts = [netdev.take('script'), netdev.take('downscript')];
      if (scripts.some((script) => script !== undefined && script !== 'no')) throw netdev.wrong('no scripts are run here: write script=no');
      netdev.ignore('vnet_hdr', 'vhost', 'sndbuf');
      return { connection: 'tap', name };
    },
  },
  socket: { does: 'the same as stream (listen=, connect=) and dgram (udp=, localaddr=) of old', read: socketNetwork },
};

/** Kinds that QEMU has and this has not, and what to do. */
const MISSING: Readonly<Record<string, string>> = {
  bridge: 'make a tap at the bridge yourself, and write tap,ifname=NAME,script=no,downscript=no',
  passt: 'start passt yourself, and write stream,addr.type=unix,addr.path=SOCKET',
  vde: 'there is no VDE here: use stream; for a net of boxes see the switch of hartbox run --network',
  l2tpv3: 'there is no L2TP here: use dgram',
  hubport: 'there are no hubs here: for a net of boxes see the switch of hartbox run --network',
  'vhost-user': 'there is no such back end here: use stream',
  'vhost-vdpa': 'there is no such back end here: use user',
  netmap: 'there is no such back end here: use user',
  'af-xdp': 'there is no such back end here: use user',
  'vmnet-host': 'there is no such back end here: use user',
  'vmnet-shared': 'there is no such back end here: use user',
  'vmnet-bridged': 'there is no such back end here: use user',
};

/** Properties of the device that no guest notices here, or that are what they are: offloads are agreed on with the driver. */
const WITHOUT_DIFFERENCE = [
  ...['csum', 'guest_csum', 'gso', 'guest_tso4', 'guest_tso6', 'guest_ecn', 'guest_ufo', 'guest_uso4', 'guest_uso6', 'guest_announce'],
  ...['host_tso4', 'host_tso6', 'host_ecn', 'host_ufo', 'host_uso', 'mrg_rxbuf', 'status', 'ctrl_vq', 'ctrl_rx', 'ctrl_vlan'],
  ...['ctrl_rx_extra', 'ctrl_mac_addr', 'ctrl_guest_offloads', 'mq', 'rss', 'hash', 'guest_rsc_ext', 'rsc_interval', 'speed', 'duplex'],
  ...['tx', 'x-txtimer', 'x-txburst', 'rx_queue_size', 'tx_queue_size', 'x-mtu-bypass-backend', 'acpi-index', 'page-per-vq'],
];

/** For `-netdev help`. */
export function networkKinds(): (readonly [name: string, does: string])[] {
  return Object.entries(KINDS).map(([name, { does }]) => [name, does] as const);
}

/** The adapters of a command line, while its devices are read. */
export class NetworkAdapters {
  readonly list: NetworkInput[] = [];
  readonly #netdevs: Netdev[];
  readonly #wanted: Wanted;

  /** Reads the -netdev, and makes the adapters of -nic, which QEMU has before those of -device. Throws QemuError. */
  constructor(wanted: Wanted) {
    this.#wanted = wanted;
    this.#netdevs = wanted.netdevs.map((netdev) => {
      const id = netdev.take('id');
      if (id === undefined) throw netdev.wrong("Parameter 'id' is missing");
      return this.#read(netdev, id);
    });
    for (const { id, where } of this.#netdevs)
      if (this.#netdevs.some((other) => other.id === id && other.where !== where)) throw where.wrong(`Duplicate ID '${id}' for netdev`);
    for (const [at, nic] of wanted.nics.entries()) this.#addNic(nic, nic.take('id') ?? `nic${at}`);
  }

  /** For a virtio-net device. `place`: where it sits. */
  add(device: Properties, place: Pick<NetworkInput, 'bus' | 'slot'>): void {
    const id = device.take('netdev');
    if (id === undefined) throw device.wrong('an adapter has another end here: netdev=ID names one of -netdev user,id=ID');
    const netdev = this.#netdevs.find((one) => one.id === id);
    if (!netdev) throw device.wrong(`Property '${device.take('driver') ?? ''}.netdev' can't find value '${id}'`);
    if (netdev.isUsed) throw device.wrong(`Property '${device.take('driver') ?? ''}.netdev' can't take value '${id}', it's in use`);
    netdev.isUsed = true;
    const mtu = device.takeNumber('host_mtu') || undefined;
    device.ignore(...WITHOUT_DIFFERENCE);
    this.#push(device, { ...netdev.values, ...place, ...(mtu !== undefined && { mtu }) }, device.take('mac'));
  }

  /** Notes what no device uses. */
  end(): void {
    for (const { id, isUsed, where } of this.#netdevs)
      if (!isUsed) this.#wanted.note(where.where, `no device has this network; name one, such as -device virtio-net-pci,netdev=${id}`);
  }

  #addNic(nic: Properties, id: string): void {
    const model = nic.take('model') ?? 'virtio-net-pci';
    const isPci = model === 'virtio' || model === 'virtio-net-pci';
    if (!isPci && model !== 'virtio-net-device') throw nic.wrong(`there is no ${model} here: write model=virtio-net-pci`);
    const mac = nic.take('mac', 'macaddr');
    nic.ignore('vectors', 'name');
    const { values } = this.#read(nic, id);
    this.#push(nic, { ...values, bus: isPci ? 'pci' : 'mmio' }, mac);
  }

  #read(netdev: Properties, id: string): Netdev {
    const type = netdev.take('type') ?? '';
    if (!Object.hasOwn(KINDS, type)) {
      if (Object.hasOwn(MISSING, type)) throw netdev.wrong(`there is no ${type} here: ${MISSING[type]}`);
      throw netdev.wrong(`'${type}' is no kind of network here; there are ${Object.keys(KINDS).join(', ')}`);
    }
    if (!/^[A-Za-z][\w.-]{0,63}$/.test(id)) throw netdev.wrong("Parameter 'id' expects an identifier: letters, digits, '-', '.' and '_'");
    const values = KINDS[type].read(netdev);
    netdev.end(`a network of the kind ${type}`);
    return { id, where: netdev, values: { id, ...values }, isUsed: false };
  }

  #push(where: Properties, adapter: NetworkInput, mac: string | undefined): void {
    if (this.list.length === MOST) throw where.wrong(`there are ${MOST} network adapters at most`);
    // QEMU's adapters have one pair of queues unless their back end has more, which none of these has.
    const whole = { ...adapter, queues: 1, mac: mac?.replaceAll('-', ':').toLowerCase() ?? this.#freeMac() };
    if (this.list.some(({ id }) => id === whole.id)) throw where.wrong(`Duplicate ID '${whole.id ?? ''}' for netdev`);
    const checked = networksSchema.safeParse([whole]);
    if (checked.error) throw where.wrong(`what this asks for ${reasonOf(checked.error.issues[0])}`);
    this.list.push(whole);
  }

  /** 52:54:00:12:34:56 and so on, as QEMU gives them out. */
  #freeMac(): string {
    for (let last = 0x56; ; last++) {
      const mac = `52:54:00:12:34:${last.toString(16)}`;
      if (!this.list.some((one) => one.mac === mac)) return mac;
    }
  }
}

function reasonOf({ code, message, path }: { code?: string; message: string; path: readonly PropertyKey[] }): string {
  return code === 'custom' ? message : `is not possible: ${path.slice(1).join('.')}: ${message}`;
}

function userNetwork(netdev: Properties): NetworkInput {
  const net = netOf(netdev, netdev.take('net') ?? USER_NET);
  const { gateway, dns, firstGuest } = subnetOf(netdev, formatNet(net));
  const guest = formatAddress(addressIn(net, firstGuest));
  for (const [name, address] of [
    ['host', formatAddress(gateway)],
    ['dns', formatAddress(dns)],
    ['dhcpstart', guest],
  ]) {
    const given = netdev.take(name);
    if (given !== undefined && given !== address)
      throw netdev.wrong(`in the net ${formatNet(net)} it is ${address} here: leave ${name} out, or give another net`);
  }
  for (const name of ['ipv4', 'ipv6'])
    if (netdev.takeSwitch(name) === false) throw netdev.wrong(`IPv4 and IPv6 cannot be switched off here: leave ${name} out`);
  const isRestricted = netdev.takeSwitch('restrict') ?? false;
  const hostName = netdev.take('hostname');
  if (hostName !== undefined && !HOST_NAME.test(hostName)) throw netdev.wrong(`'${hostName}' is no name of a host`);
  const forward = netdev.takeAll('hostfwd').map((text) => forwardOf(netdev, text, guest));
  return {
    connection: 'nat',
    subnet: formatNet(net),
    // The gateway is the host, with what listens on its own address, as in QEMU.
    ...(isRestricted ? { deny: ['*'] } : { hostAccess: true }),
    ...(forward.length > 0 && { forward }),
    ...(hostName !== undefined && { hostName }),
  };
}

/** With bits or a mask behind the address, or what its class has (RFC 791), as QEMU reads it. */
function netOf(netdev: Properties, text: string): Net {
  const [host, mask, ...more] = text.split('/');
  const wrong = (): QemuError => netdev.wrong(`'${text}' is no net of IPv4; expected one as ${USER_NET}`);
  if (!isIPv4(host) || more.length > 0) throw wrong();
  const first = Number(host.split('.')[0]);
  let prefix = first < 128 ? 8 : first < 192 ? 16 : 24;
  if (mask !== undefined) {
    const bits = isIPv4(mask) ? bitsOf(mask) : /^\d{1,2}$/.test(mask) ? Number(mask) : undefined;
    if (bits === undefined) throw wrong();
    prefix = bits;
  }
  return subnetOf(netdev, `${host}/${prefix}`).net;
}

/** 255.255.255.0 → 24; undefined where ones stand behind zeros. */
function bitsOf(mask: string): number | undefined {
  const bits = [...(parseAddress(mask) ?? [])].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return /^1*0*$/.test(bits) ? bits.replaceAll('0', '').length : undefined;
}

function subnetOf(netdev: Properties, text: string): ReturnType<typeof subnet4> {
  try {
    return subnet4(text, []);
  } catch (error) {
    if (error instanceof VmError) throw netdev.wrong(error.message.replace(/\.$/, ''));
    throw error;
  }
}

/** `[tcp|udp]:[HOST ADDRESS]:PORT-[GUEST ADDRESS]:PORT` as one of our forwards. */
function forwardOf(netdev: Properties, text: string, guest: string): string {
  const forward = hostForward(text);
  if (!forward) throw netdev.wrong(`Invalid host forwarding rule '${text}': expected tcp:[ADDRESS]:PORT-[ADDRESS]:PORT`);
  if (forward.target !== '' && forward.target !== guest)
    throw netdev.wrong(`the guest is ${guest} here: leave ${forward.target} out of '${text}'`);
  return formatForward(forward);
}

/** What QEMU calls a host forwarding rule; undefined where it is none. `target`: the guest's address, empty where it is not named. */
export function hostForward(text: string): (Forward & { target: string }) | undefined {
  const [, from = '', target = '', port = ''] = /^([^-]*)-([^:]*):(\d{1,5})$/.exec(text) ?? [];
  const host = hostPort(from);
  const guestPort = Number(port);
  return host && guestPort >= 1 && guestPort <= 65535 ? { ...host, guestPort, target } : undefined;
}

/** The first half of such a rule. For this computer alone where no address is named. */
export function hostPort(text: string): Omit<Forward, 'guestPort'> | undefined {
  const [, protocol, address = '', port] = /^(tcp|udp)?:([^:]*):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || (address !== '' && !isIPv4(address)) || Number(port) > 65535) return undefined;
  return { protocol: protocol === 'udp' ? 'udp' : 'tcp', hostAddress: address === '' ? '127.0.0.1' : address, hostPort: Number(port) };
}

/** What QEMU calls a SocketAddress, with its members behind `prefix.`. */
function socketAddress(netdev: Properties, prefix: string): string {
  const type = netdev.take(`${prefix}.type`);
  if (type === 'unix') {
    const path = netdev.take(`${prefix}.path`);
    if (path === undefined || path === '') throw netdev.wrong(`Parameter '${prefix}.path' is missing`);
    return `unix:${resolve(path)}`;
  }
  if (type !== 'inet') throw netdev.wrong(`${prefix}.type can be inet or unix here`);
  return inet(netdev, netdev.take(`${prefix}.host`), netdev.take(`${prefix}.port`), prefix);
}

function datagramAddress(netdev: Properties, prefix: string): string {
  const type = netdev.take(`${prefix}.type`);
  if (type === undefined) throw netdev.wrong(`datagrams need both ends here: ${prefix}.type=inet, ${prefix}.host=, ${prefix}.port=`);
  if (type !== 'inet') throw netdev.wrong(`datagrams go by UDP here: ${prefix}.type can be inet; by a Unix socket there is stream`);
  return inet(netdev, netdev.take(`${prefix}.host`), netdev.take(`${prefix}.port`), prefix);
}

function inet(netdev: Properties, host: string | undefined, port: string | undefined, name: string): string {
  const number = Number(port ?? 'none');
  if (host === undefined || !/^\d{1,5}$/.test(port ?? '') || number < 1 || number > 65535)
    throw netdev.wrong(`${name} expects a host and a port from 1 to 65535`);
  return host.includes(':') ? `[${host}]:${number}` : `${host}:${number}`;
}

/** `socket`: connections and datagrams as QEMU wrote them before `stream` and `dgram`. */
function socketNetwork(netdev: Properties): NetworkInput {
  const [listen, connect, udp, local] = ['listen', 'connect', 'udp', 'localaddr'].map((name) => {
    const text = netdev.take(name);
    const [, host, port] = /^(.*):([^:]*)$/s.exec(text ?? '') ?? [];
    return text === undefined ? undefined : inet(netdev, host?.replace(/^\[|\]$/g, ''), port, name);
  });
  if (netdev.take('mcast') !== undefined)
    throw netdev.wrong('there is no multicast here: for a net of boxes see the switch of hartbox run --network');
  if (netdev.take('fd') !== undefined) throw netdev.wrong('there are no inherited descriptors here: write listen= or connect=');
  if ([listen, connect, udp].filter((one) => one !== undefined).length !== 1)
    throw netdev.wrong('exactly one of listen=, connect= or udp= is required');
  if (udp !== undefined) {
    if (local === undefined) throw netdev.wrong('localaddr= is mandatory with udp=');
    return { connection: 'dgram', connect: udp, listen: local };
  }
  if (local !== undefined) throw netdev.wrong('localaddr= belongs to udp=');
  return { connection: 'stream', ...(listen === undefined ? { connect } : { listen }) };
}
