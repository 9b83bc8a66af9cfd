import { VmError } from '../../../errors/vm-error';
import { readU16 } from '../checksum';
import type { BackendStatistics, Frame, GuestPort, NetworkBackend } from '../packet-port';
import {
  type Family,
  formatAddress,
  formatEndpoint,
  formatNet,
  type IpAddress,
  isAt,
  isIn,
  isLoopback,
  isMulticast,
  isRoutable,
  isZero,
  parseAddress,
  parseNet,
} from './addresses';
import { receiveArp } from './arp';
import { Dhcp, DHCP_SERVER } from './dhcp';
import { Dhcp6, DHCPV6_SERVER } from './dhcpv6';
import { DnsForwarder, DOMAIN } from './dns/forwarder';
import { DnsTcpService } from './dns/tcp-service';
import { Forwards, type ForwardSpec } from './forwards';
import { Fragments } from './fragments';
import { GATEWAY_MAC, GuestLink } from './guest-link';
import type { NetworkHost } from './host';
import { firstBytes, Icmp, type OwnAddresses, type Reason, reasonOf } from './icmp';
import { Names } from './names';
import { NeighbourDiscovery } from './ndp';
import { nodeHost } from './node-host';
import { ARP, ICMP, ICMPV6, IPV4, IPV6, Packet, TCP, UDP } from './packet';
import { parseRule, Policy } from './policy';
import { saveOrphan, type SavedNat, savedNatSchema } from './saved-nat';
import { clash, isSubnet4, type Subnet4, subnet4, type Subnet6, subnet6 } from './subnet';
import { BatchWriter, TcpRelay } from './tcp/relay';
import { type ConnectingOwner, TcpStack, type TcpTargets } from './tcp/stack';
import { type Clock, TimerWheel, type WheelTimer } from './timer-wheel';
import { sendDatagram, Udp } from './udp';

/** How often it is looked whether the host has a way for IPv6. */
const ROUTE_CHECK_MS = 10_000;
/** How often the guest is told that there is a way for IPv6, which it believes for 1800 s (RFC 4861 §6.2.1: MaxRtrAdvInterval). */
const ADVERTISE_MS = 600_000;
const DNS_PORT = 53;
/** Addresses of a guest that are told. */
const MOST_SHOWN = 16;
const LOOPBACK: Record<Family, IpAddress> = { 4: parseAddress('127.0.0.1')!, 6: parseAddress('::1')! };

export interface NatOptions {
  /** The guest's net, as `10.0.2.0/24`; otherwise one that the host has not. */
  net?: string | undefined;
  /** Whether the guest reaches, by the gateway's address, what listens on the host's loopback. */
  hostAccess?: boolean;
  /** Nets and names, see parseRule. With some allowed, all others are not. */
  allow?: readonly string[];
  deny?: readonly string[];
  forwards?: readonly ForwardSpec[];
  /** Offered to the guest by DHCP. */
  hostName?: string | undefined;
  host?: NetworkHost;
  clock?: Clock;
}

/** A flow for people. */
export interface FlowInfo {
  protocol: 'tcp' | 'udp';
  /** `10.0.2.15:1234`. */
  guest: string;
  /** Of UDP, to whom the guest wrote last. */
  remote: string;
  /** What the guest called the other end. */
  name?: string | undefined;
  state: string;
  fromGuest: number;
  toGuest: number;
  /** Seconds. */
  age: number;
  idle: number;
}

/**
 * A network for one guest without privileges: a gateway in user space that speaks with the guest as any host would, and with the world by
 * sockets of the host's. Transparent: what the guest asks for is what the host asks for.
 */
export class Nat implements NetworkBackend, OwnAddresses, TcpTargets {
  readonly name = 'nat';
  readonly isUp = true;
  private readonly host: NetworkHost;
  private readonly wheel: TimerWheel;
  private readonly packet = new Packet();
  private readonly fragments: Fragments;
  private readonly names = new Names();
  private readonly policy: Policy;
  private readonly subnet: Subnet4;
  private readonly subnet6: Subnet6 = subnet6();
  private readonly dns: DnsForwarder;
  private readonly writer = new BatchWriter();
  private readonly routeCheck: WheelTimer;
  private hasIpv6 = false;
  private advertisedAt = 0;
  private isClosed = false;
  private inBatch = false;
  private flushIsDue = false;
  private droppedFromGuest = 0;

  /** Called when forwards or the guest's addresses may have changed. */
  onChange: (() => void) | undefined;

  private guest!: GuestPort;
  private link!: GuestLink;
  private tcp!: TcpStack;
  private udp!: Udp;
  private icmp!: Icmp;
  private dhcp!: Dhcp;
  private dhcp6!: Dhcp6;
  private neighbours!: NeighbourDiscovery;
  private forwards!: Forwards;

  /** Throws VmError 'Config' for a net or a rule that makes no sense. */
  constructor(private readonly options: NatOptions = {}) {
    this.host = options.host ?? nodeHost;
    this.wheel = new TimerWheel(options.clock);
    this.fragments = new Fragments(this.wheel);
    this.subnet = subnet4(options.net, this.host.nets());
    this.policy = new Policy((options.allow ?? []).map(parseRule), (options.deny ?? []).map(parseRule), this.names);
    this.dns = new DnsForwarder({
      host: this.host,
      wheel: this.wheel,
      policy: this.policy,
      names: this.names,
      gateway: (family) => this.gateway(family),
      hostAccess: options.hostAccess ?? false,
    });
    this.routeCheck = this.wheel.timer(() => void this.checkRoutes());
  }

  attach(guest: GuestPort): void {
    const { wheel, host, subnet } = this;
    const wantsFlush = (): void => this.wantsFlush();
    const link = new GuestLink(guest);
    this.guest = guest;
    this.link = link;
    link.onHeard = () => this.onChange?.();
    this.tcp = new TcpStack(link, wheel, this, wantsFlush);
    this.icmp = new Icmp(link, host, this, wheel, wantsFlush);
    this.udp = new Udp(link, host, this.icmp, wheel, (family) => this.gateway(family), wantsFlush);
    this.dhcp = new Dhcp(link, subnet, this.options.hostName, DOMAIN);
    this.dhcp6 = new Dhcp6(link, this.subnet6);
    this.neighbours = new NeighbourDiscovery(link, this.subnet6, () => this.hasIpv6);
    this.forwards = new Forwards({
      host,
      link,
      wheel,
      tcp: this.tcp,
      writer: this.writer,
      gateway: () => subnet.gateway,
      guest: () => this.dhcp.guest,
      wantsFlush,
    });
    if (this.options.net !== undefined) this.warnOfClash();
    void this.checkRoutes();
    for (const spec of this.options.forwards ?? []) this.addForward(spec).catch((error: VmError) => guest.warn(error));
  }

  take(frame: Frame): boolean {
    if (this.isClosed) return true;
    this.inBatch = true;
    this.packet.load(frame);
    try {
      this.dispatch();
    } finally {
      this.packet.release();
    }
    return true;
  }

  flush(): void {
    this.inBatch = false;
    this.settle();
  }

  resume(): void {
    this.link.isBlocked = false;
    this.settle();
  }

  linkChanged(up: boolean): void {
    this.link.isUp = up;
    if (up) {
      this.link.isBlocked = false;
      // Who comes up may be another system, which knows nothing of what was.
      this.tcp.doubt();
      this.wantsFlush();
    }
  }

  statistics(): BackendStatistics {
    return { droppedFromGuest: this.droppedFromGuest, droppedToGuest: this.link.dropped };
  }

  save(): SavedNat {
    const { leases, refused } = this.dhcp.save();
    return {
      kind: 'nat',
      version: 1,
      net: formatNet(this.subnet.net),
      ipv6: this.hasIpv6,
      leases,
      refused,
      leases6: this.dhcp6.save(),
      neighbours: this.link.saveNeighbours(),
      connections: this.tcp.save().map(saveOrphan),
    };
  }

  load(saved: unknown, refuse: (why: string) => never): () => void {
    // The guest was connected to something else.
    if ((saved as { kind?: unknown } | null)?.kind !== 'nat') return () => undefined;
    const { data, error } = savedNatSchema.safeParse(saved);
    if (!data) return refuse(`of its network, ${error.issues[0].path.join('.')}: ${error.issues[0].message}`);
    const net = parseNet(data.net);
    if (!net || !isSubnet4(net)) return refuse(`${data.net} is no net for guests`);
    return () => {
      this.tcp.load(data.connections);
      this.link.loadNeighbours(data.neighbours);
      this.dhcp6.load(data.leases6);
      // What the host has a way for now is found again, and told where it is otherwise.
      this.hasIpv6 = data.ipv6;
      void this.checkRoutes();
      // With another net in the settings the guest's address is none of it: it has to ask for one.
      if (this.options.net !== undefined && formatNet(this.subnet.net) !== data.net) return;
      Object.assign(this.subnet, subnet4(data.net, []));
      this.dhcp.load(data);
      this.warnOfClash();
    };
  }

  powerOn(): void {
    this.tcp.reset(false);
    this.writer.flush();
    this.udp.close();
    this.fragments.clear();
    this.link.forgetNeighbours();
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    // The guest may be connected to something else next, which knows nothing of them.
    this.tcp.reset(true);
    this.writer.flush();
    this.guest.flush();
    this.forwards.close();
    this.udp.close();
    this.icmp.close();
    this.fragments.clear();
    this.wheel.close();
  }

  /** The guest is paused: no time passes for it. */
  freeze(): void {
    this.wheel.freeze();
  }

  thaw(): void {
    this.wheel.thaw();
  }

  /** Add a forwarded port; returns it with the host's port. Throws VmError 'Resource' where the host refuses it. */
  async addForward(spec: ForwardSpec): Promise<ForwardSpec> {
    const added = await this.forwards.add(spec);
    this.onChange?.();
    return added;
  }

  removeForward(spec: Omit<ForwardSpec, 'guestPort'>): boolean {
    const removed = this.forwards.remove(spec);
    if (removed) this.onChange?.();
    return removed;
  }

  listForwards(): ForwardSpec[] {
    return this.forwards.list();
  }

  /** What the guest talks with now, the newest first. */
  flows(): FlowInfo[] {
    const now = this.wheel.now();
    const seconds = (since: number): number => Math.max(0, Math.round((now - since) / 100) / 10);
    const flows: FlowInfo[] = [];
    const add = (
      protocol: 'tcp' | 'udp',
      state: string,
      remote: string,
      remotePort: number,
      flow: { guest: IpAddress; guestPort: number; bytesFromGuest: number; bytesToGuest: number; since: number; lastUsed: number },
    ): void => {
      flows.push({
        protocol,
        guest: formatEndpoint(formatAddress(flow.guest), flow.guestPort),
        remote: formatEndpoint(remote, remotePort),
        name: this.names.of(remote),
        state,
        fromGuest: flow.bytesFromGuest,
        toGuest: flow.bytesToGuest,
        age: seconds(flow.since),
        idle: seconds(flow.lastUsed),
      });
    };
    for (const one of this.tcp.connections) add('tcp', one.state, formatAddress(one.remote), one.remotePort, one);
    for (const one of this.udp.mappings) add('udp', 'open', formatAddress(one.peer), one.peerPort, one);
    return flows.sort((one, other) => one.age - other.age);
  }

  /** What the guest is reached by, as far as is known: addresses that it was given and was heard by, without those of its link alone. */
  get guestAddresses(): string[] {
    const heard = [...this.dhcp.given, ...this.link.heard()].filter((one) => one.length === 4 || one[0] !== 0xfe);
    const known = [...new Set(heard.sort((one, other) => one.length - other.length).map((one) => formatAddress(one)))];
    return known.slice(0, MOST_SHOWN);
  }

  /** The addresses of the guest's net, for people. */
  get addresses(): { net: string; gateway: string; dns: string; guest: string; ipv6: boolean } {
    const { net, gateway, dns } = this.subnet;
    return {
      net: formatNet(net),
      gateway: formatAddress(gateway),
      dns: formatAddress(dns),
      guest: formatAddress(this.dhcp.guest),
      ipv6: this.hasIpv6,
    };
  }

  // What the protocols ask.

  isOurs(bytes: Uint8Array, at: number, length: number): boolean {
    if (length === 4) return isAt(bytes, at, this.subnet.gateway) || isAt(bytes, at, this.subnet.dns);
    return this.subnet6.ours.some((address) => isAt(bytes, at, address));
  }

  isForMany(bytes: Uint8Array, at: number, length: number): boolean {
    return isMulticast(bytes, at, length) || (length === 4 && isAt(bytes, at, this.subnet.all));
  }

  gateway(family: Family): IpAddress | undefined {
    if (family === 4) return this.subnet.gateway;
    return this.hasIpv6 ? this.subnet6.gateway : undefined;
  }

  takerOf(packet: Packet, port: number): ConnectingOwner | 'refused' | 'ignored' {
    const { bytes, targetAt, addressLength } = packet;
    const family: Family = addressLength === 4 ? 4 : 6;
    let address: IpAddress = bytes.slice(targetAt, targetAt + addressLength);
    let otherwise: string | undefined;
    if (this.isOurs(bytes, targetAt, addressLength)) {
      if (port === DNS_PORT) return new DnsTcpService(this.dns, (connection) => this.tcp.forget(connection));
      if (!this.isHost(address, family)) return 'refused';
      // Many programs of the host listen at one of the two alone, and the guest cannot know at which.
      address = LOOPBACK[family];
      otherwise = formatAddress(LOOPBACK[family === 4 ? 6 : 4]);
    } else {
      if (this.isForMany(bytes, targetAt, addressLength)) return 'ignored';
      const reason = this.whyNot(packet, port);
      if (reason) {
        this.icmp.refuse(packet, reason);
        return 'ignored';
      }
    }
    return new TcpRelay(
      this.writer,
      (events) => this.host.connect(formatAddress(address), port, events, otherwise),
      (relay, code) => this.unreachable(relay, code),
      (relay) => this.tcp.forget(relay.connection),
    );
  }

  /** The host's own address as the guest sees it, where that is allowed. */
  private isHost(address: IpAddress, family: Family): boolean {
    const gateway = family === 4 ? this.subnet.gateway : this.subnet6.gateway;
    return (this.options.hostAccess ?? false) && isAt(address, 0, gateway);
  }

  /** The host could not connect: the guest hears what the host has heard. */
  private unreachable({ connection }: TcpRelay, code: string): void {
    const reason = reasonOf(code);
    if (code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === 'EMFILE' || code === 'ENFILE') {
      connection.abort();
      return;
    }
    const { guest, remote, guestPort, remotePort, mac, receiver } = connection;
    // The sequence number is that of the SYN, or the guest would take it for an old message.
    if (reason) this.icmp.refuseLate(reason, mac, guest, remote, TCP, firstBytes(guestPort, remotePort, receiver.next - 1));
    connection.drop();
  }

  /** Why a packet to somebody else may not leave. */
  private whyNot({ bytes, targetAt, addressLength, hopLimit }: Packet, port: number): Reason | undefined {
    if (!isRoutable(bytes, targetAt, addressLength)) return 'no-route';
    if (isIn(bytes, targetAt, addressLength, addressLength === 4 ? this.subnet.net : this.subnet6.net)) return 'host-unreachable';
    if (addressLength === 16 && !this.hasIpv6) return 'no-route';
    if (hopLimit <= 1) return 'hop-limit';
    return this.policy.permits(bytes, targetAt, addressLength, port) ? undefined : 'prohibited';
  }

  private dispatch(): void {
    const { packet } = this;
    const { bytes } = packet;
    // To us, or to all.
    if (packet.length < 14 || (!(bytes[0] & 1) && !isAt(bytes, 0, GATEWAY_MAC))) {
      this.droppedFromGuest++;
      return;
    }
    switch (packet.type) {
      case ARP:
        receiveArp(packet, this.link, [this.subnet.gateway, this.subnet.dns]);
        return;
      case IPV4:
      case IPV6:
        this.readIp();
    }
  }

  private readIp(): void {
    const { packet } = this;
    const read = (): 'whole' | 'fragment' | 'bad' => (packet.type === IPV4 ? packet.readIpv4() : packet.readIpv6());
    let reading = read();
    if (reading === 'fragment' && this.fragments.add(packet)) reading = read();
    if (reading === 'bad') this.droppedFromGuest++;
    if (reading !== 'whole') return;
    const { bytes, sourceAt, addressLength } = packet;
    // Nobody is called like a group, like us, or like himself.
    if (this.isForMany(bytes, sourceAt, addressLength) || this.isOurs(bytes, sourceAt, addressLength)) return;
    if (isLoopback(bytes, sourceAt, addressLength)) return;
    if (isZero(bytes, sourceAt, addressLength) && packet.protocol !== UDP && packet.protocol !== ICMPV6) return;
    this.receive(packet);
  }

  private receive(packet: Packet): void {
    switch (packet.protocol) {
      case TCP:
        this.tcp.receive(packet);
        return;
      case UDP:
        this.receiveUdp(packet);
        return;
      case ICMP:
        if (!packet.isV6 && packet.end - packet.dataAt >= 8 && packet.bytes[packet.dataAt] === 8 && packet.checksumHolds())
          this.icmp.echo(packet, () => this.whyNot(packet, 0));
        return;
      case ICMPV6:
        if (!packet.isV6 || packet.end - packet.dataAt < 8 || !packet.checksumHolds()) return;
        if (this.neighbours.receive(packet)) this.wantsFlush();
        else if (packet.bytes[packet.dataAt] === 128) this.icmp.echo(packet, () => this.whyNot(packet, 0));
        return;
      default:
        // Sockets of the host's speak no others.
        this.icmp.refuse(packet, this.isOurs(packet.bytes, packet.targetAt, packet.addressLength) ? 'protocol-unreachable' : 'prohibited');
    }
  }

  private receiveUdp(packet: Packet): void {
    const { dataAt, sourceAt, targetAt, addressLength } = packet;
    const bytes = packet.whole();
    const available = packet.end - dataAt;
    if (available < 8) return;
    const length = readU16(bytes, dataAt + 4);
    // Large frames for many datagrams have the length of all, or none.
    if (packet.segmentation === 'none') {
      if (length < 8 || length > available) return;
      packet.end = dataAt + length;
    }
    const checksum = readU16(bytes, dataAt + 6);
    if (!packet.checksumIsGood && (packet.isV6 || checksum !== 0) && !packet.checksumHolds()) return;
    const port = readU16(bytes, dataAt + 2);
    const isOurs = this.isOurs(bytes, targetAt, addressLength);
    const toAll = this.isForMany(bytes, targetAt, addressLength);
    if (isOurs || toAll) {
      if (port === DHCP_SERVER && !packet.isV6) {
        this.dhcp.receive(packet);
        this.onChange?.();
        this.tcp.doubt();
        this.wantsFlush();
        return;
      }
      if (port === DHCPV6_SERVER && packet.isV6) {
        if (this.hasIpv6) this.dhcp6.receive(packet);
        this.wantsFlush();
        return;
      }
    }
    if (toAll || isZero(bytes, sourceAt, addressLength)) return;
    if (isOurs) {
      this.receiveOwn(packet, port);
      return;
    }
    const reason = this.whyNot(packet, port);
    if (reason) this.icmp.refuse(packet, reason);
    else this.udp.send(packet, bytes.slice(targetAt, targetAt + addressLength));
  }

  /** A datagram to the gateway or to the name server. */
  private receiveOwn(packet: Packet, port: number): void {
    const { bytes, targetAt, addressLength } = packet;
    if (port === DNS_PORT) {
      this.resolve(packet);
      return;
    }
    if (this.forwards.answered(packet)) return;
    const target = bytes.slice(targetAt, targetAt + addressLength);
    const family: Family = addressLength === 4 ? 4 : 6;
    if (this.isHost(target, family)) this.udp.send(packet, LOOPBACK[family]);
    else this.icmp.refuse(packet, 'port-unreachable');
  }

  private resolve(packet: Packet): void {
    const { bytes, dataAt, sourceAt, targetAt, addressLength, end } = packet;
    const query = bytes.slice(dataAt + 8, end);
    if (query.length > 4096) return;
    const mac = bytes.slice(6, 12);
    const guest = bytes.slice(sourceAt, sourceAt + addressLength);
    const server = bytes.slice(targetAt, targetAt + addressLength);
    const port = readU16(bytes, dataAt);
    void this.dns.answer(query, false).then((answer) => {
      if (!answer || this.isClosed) return;
      sendDatagram(this.link, mac, server, DNS_PORT, guest, port, answer);
      this.wantsFlush();
    });
  }

  private warnOfClash(): void {
    const { net } = this.subnet;
    const hidden = clash(this.subnet, this.host.nets());
    if (hidden === undefined) return;
    this.guest.warn(
      VmError.config(
        `The guest's net ${formatNet(net)} is also a net of this computer (${hidden}), which the guest cannot reach therefore: choose another.`,
        { code: 'subnet-clash', params: { net: formatNet(net), host: hidden } },
      ),
    );
  }

  private async checkRoutes(): Promise<void> {
    const has = await this.host.hasRoute(6).catch(() => false);
    if (this.isClosed) return;
    const now = this.wheel.now();
    // What the guest believes is changed at once, and said again before it holds no longer.
    if (has !== this.hasIpv6 || (has && now - this.advertisedAt >= ADVERTISE_MS)) {
      this.hasIpv6 = has;
      this.advertisedAt = now;
      if (this.link.isUp) {
        this.neighbours.advertiseRouter(has ? undefined : 0);
        this.wantsFlush();
      }
    }
    this.routeCheck.set(ROUTE_CHECK_MS);
  }

  /** At the end of the batch that is being taken, or soon. */
  private wantsFlush(): void {
    if (this.inBatch || this.flushIsDue || this.isClosed) return;
    this.flushIsDue = true;
    this.wheel.clock.soon(() => {
      this.flushIsDue = false;
      if (!this.isClosed) this.settle();
    });
  }

  private settle(): void {
    this.writer.flush();
    this.tcp.settle();
    this.guest.flush();
  }
}
