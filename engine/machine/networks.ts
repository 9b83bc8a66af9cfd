import { randomBytes } from 'node:crypto';
import { Capture } from '../backend/net/capture';
import { GuestAddresses } from '../backend/net/guest-addresses';
import { DatagramBackend } from '../backend/net/dgram';
import { type FlowInfo, Nat } from '../backend/net/nat/nat';
import { formatMac, macFor } from '../backend/net/mac-address';
import type { BackendStatistics, NetworkBackend } from '../backend/net/packet-port';
import { formatEndpoint } from '../backend/net/nat/addresses';
import { parseSocketAddress, type SocketAddress } from '../backend/net/socket-address';
import { type LineLimits, SlowLine } from '../backend/net/slow-line';
import { StreamBackend } from '../backend/net/stream';
import { SwitchBackend } from '../backend/net/switch';
import { TapBackend } from '../backend/net/tap';
import { VmError } from '../errors/vm-error';
import { dataDirectory } from '../host/data-directory';
import { type Forward, type NetworkConfig, parseForward } from '../settings/network';
import { checkNetworks } from '../settings/problem';
import type { MachineConfig, MachineConfigInput } from '../settings/settings';
import { type NetStatistics, VirtioNet } from '../virtio/devices/net/device';
import type { PlacedDevice } from '../virtio/registry';

export interface NetworksOptions {
  /** What the box is known by: its adapters' addresses stay with it. Without one they are new at each start. */
  box?: string | undefined;
  dataDirectory?: string | undefined;
}

/** A network adapter of a machine. */
export interface Adapter {
  readonly id: string;
  config: NetworkConfig;
  readonly device: VirtioNet;
  /** What it is connected to, and the line to there. */
  backend: NetworkBackend;
  readonly line: SlowLine;
  /** What its guest was heard by; NAT knows more. */
  heard: GuestAddresses;
}

/** How a network adapter is, for people. */
export interface AdapterInfo {
  id: string;
  mac: string;
  /** What it is connected to. */
  connection: string;
  /** What its guest is reached by: given by NAT, or heard from the guest. */
  addresses: string[];
  /** What the line does to packets. */
  line: LineLimits;
  /** Whether the cable is in, and whether the guest sees a link. */
  cable: boolean;
  up: boolean;
  statistics: NetStatistics & { backend: BackendStatistics };
}

/** What of them somebody who has the machine may use. */
export type MachineNetworks = Pick<
  Networks,
  | 'list'
  | 'change'
  | 'setLink'
  | 'setLine'
  | 'capture'
  | 'startCapture'
  | 'endCapture'
  | 'flows'
  | 'forwards'
  | 'addForward'
  | 'removeForward'
>;

/** The network adapters of a machine, and what they are connected to. */
export class Networks {
  readonly adapters: readonly Adapter[];
  #capture: Capture | undefined;
  #isBeginning = false;
  #isClosed = false;
  /** Called when addresses or forwarded ports have changed. */
  onChange: (() => void) | undefined;
  #told = '';

  private constructor(
    adapters: readonly Adapter[],
    private readonly options: NetworksOptions,
  ) {
    this.adapters = adapters;
    this.#observe();
  }

  /** Opens the back ends. Throws VmError where one of them cannot be had. */
  static async open({ network, harts }: MachineConfig, options: NetworksOptions = {}): Promise<Networks> {
    const box = options.box ?? randomBytes(16).toString('hex');
    const adapters: Adapter[] = [];
    try {
      for (const [number, config] of network.entries()) {
        const { mac = formatMac(macFor(box, number)), mtu, link, queues = harts, rate, delay, loss } = config;
        const backend = await openBackend(config, options);
        const line = new SlowLine(backend, { rate, delay, loss });
        const device = new VirtioNet({ mac, mtu, link, queues, backend: line });
        adapters.push({ id: idFor(config, adapters), config, device, backend, line, heard: new GuestAddresses() });
      }
      return new Networks(adapters, options);
    } catch (error) {
      await new Networks(adapters, options).close();
      throw error;
    }
  }

  get placed(): PlacedDevice<VirtioNet>[] {
    return this.adapters.map(({ device, config }) => ({ device, bus: config.bus, slot: config.slot }));
  }

  /** The adapters, and what went through each. */
  list(): AdapterInfo[] {
    return this.adapters.map((adapter) => this.#infoOf(adapter));
  }

  #infoOf(adapter: Adapter): AdapterInfo {
    const { id, device, backend, line } = adapter;
    return {
      id,
      mac: device.mac,
      connection: backend.name,
      addresses: addressesOf(adapter),
      line: { ...line.limits },
      cable: device.link,
      up: device.isUp,
      statistics: { ...device.statistics, backend: device.backend.statistics() },
    };
  }

  /**
   * Make the adapters as these settings say, as far as that goes while the guest runs: what they are connected to, ports, line and cable. False
   * where it takes a restart: other adapters, or what the guest sees of one. Throws VmError where something cannot be had.
   */
  async change(settings: NonNullable<MachineConfigInput['network']>): Promise<boolean> {
    this.#mustBeOpen();
    const wanted = checkNetworks(settings);
    if (wanted.length !== this.adapters.length) return false;
    const pairs = this.adapters.map((adapter, number) => ({ adapter, after: wanted[number] }));
    if (pairs.some(({ adapter: { config }, after }) => differs(config, after, SEEN_BY_GUEST))) return false;
    for (const { adapter, after } of pairs) {
      const before = adapter.config;
      if (differs(before, after, CONNECTION)) await this.#reconnect(adapter, after);
      else if (adapter.backend instanceof Nat) await changeForwards(adapter.backend, before.forward ?? [], after.forward ?? []);
      const { rate, delay, loss, link } = after;
      if (differs(before, after, LINE)) adapter.line.limits = { rate, delay, loss };
      if (before.link !== link) adapter.device.link = link;
      adapter.config = after;
    }
    return true;
  }

  /** To what these settings say; where that cannot be had, to what it was. */
  async #reconnect(adapter: Adapter, config: NetworkConfig): Promise<void> {
    const { line, backend } = adapter;
    // The other may want the same address; and while the line is still there the guest hears what ends.
    await backend.close();
    line.disconnect();
    try {
      adapter.backend = await openBackend(config, this.options);
    } catch (error) {
      adapter.backend = await openBackend(adapter.config, this.options).catch(() => backend);
      throw error;
    } finally {
      if (adapter.backend !== backend) line.connect(adapter.backend);
      adapter.heard = new GuestAddresses();
      this.#observe();
      this.#changed();
    }
  }

  /** Look on where somebody wants to see what goes through the adapters. */
  #observe(): void {
    const capture = this.#capture;
    for (const [number, { device, backend, heard }] of this.adapters.entries()) {
      if (backend instanceof Nat) backend.onChange = () => this.#changed();
      heard.onHeard = () => this.#changed();
      const isHeard = !(backend instanceof Nat);
      device.observer =
        capture || isHeard
          ? (direction, frame) => {
              if (isHeard && direction === 'out') heard.look(frame);
              capture?.add(number, direction, frame);
            }
          : undefined;
    }
  }

  /** The adapter of that id. Throws VmError 'Config'. */
  find(id: string): Adapter {
    const found = this.adapters.find((one) => one.id === id);
    if (found) return found;
    const known = this.adapters.map((one) => one.id).join(', ') || 'none';
    throw VmError.config(`The box has no network adapter ${id}; it has ${known}.`, { code: 'adapter-unknown', params: { id, known } });
  }

  /** Put the cable of an adapter in, or pull it out. Throws VmError 'Config' if there is none of that id. */
  setLink(id: string, up: boolean): void {
    this.#mustBeOpen();
    this.find(id).device.link = up;
  }

  /** From now on the line of an adapter does this to packets, and nothing else. Throws VmError 'Config' if there is none of that id. */
  setLine(id: string, limits: LineLimits): void {
    this.#mustBeOpen();
    this.find(id).line.limits = limits;
  }

  /** The machine is switched on, or anew. */
  powerOn(): void {
    for (const { device } of this.adapters) device.backend.powerOn?.();
  }

  /** The machine is paused, or goes on. */
  setPaused(paused: boolean): void {
    for (const { backend } of this.adapters.map(({ device }) => device)) {
      if (paused) backend.freeze?.();
      else backend.thaw?.();
    }
  }

  /** The capture that goes on: its file, packets in it, and packets that the disk was too slow for. */
  get capture(): { file: string; frames: number; dropped: number } | undefined {
    const capture = this.#capture;
    return capture && { file: capture.path, frames: capture.frames, dropped: capture.dropped };
  }

  /** Write all that goes through the adapters to a pcapng file from now on. Throws VmError: 'State' while another capture runs, 'Resource'. */
  async startCapture(file: string): Promise<void> {
    this.#mustBeOpen();
    if (this.#capture || this.#isBeginning)
      throw new VmError('State', 'The network of the box is being captured already. End that first.', { code: 'capture-running' });
    this.#isBeginning = true;
    try {
      const capture = await Capture.open(
        file,
        this.adapters.map(({ id }) => id),
      );
      if (this.#isClosed) await capture.close();
      this.#mustBeOpen();
      this.#capture = capture;
      this.#observe();
    } finally {
      this.#isBeginning = false;
    }
  }

  /** End the capture; how many packets are in it, and how many are missing. Throws VmError: 'State' where there is none, 'Resource'. */
  async endCapture(): Promise<{ frames: number; dropped: number }> {
    const capture = this.#capture;
    if (!capture) throw new VmError('State', 'The network of the box is not being captured.', { code: 'capture-none' });
    this.#capture = undefined;
    this.#observe();
    await capture.close();
    return { frames: capture.frames, dropped: capture.dropped };
  }

  /** What guests talk with through NAT, by adapter. */
  flows(): (FlowInfo & { adapter: string })[] {
    return this.#nats().flatMap(({ id, nat }) => nat.flows().map((flow) => ({ adapter: id, ...flow })));
  }

  /** Ports of the host that lead to the guest. */
  forwards(): (Forward & { adapter: string })[] {
    return this.#nats().flatMap(({ id, nat }) => nat.listForwards().map((forward) => ({ adapter: id, ...forward })));
  }

  /**
   * Forward a port of the host's to the guest until the machine stops, by the first adapter with NAT unless one is named. Throws VmError:
   * 'Config' where there is none, 'Resource' where the host refuses it, 'State' where the machine is off.
   */
  async addForward(forward: Forward, adapter?: string): Promise<Forward> {
    this.#mustBeOpen();
    return this.#nat(adapter).addForward(forward);
  }

  /** Throws VmError 'Config' where there is no such forward. */
  removeForward(forward: Omit<Forward, 'guestPort'>): void {
    this.#mustBeOpen();
    if (this.#nats().some(({ nat }) => nat.removeForward(forward))) return;
    const port = formatEndpoint(forward.hostAddress, forward.hostPort);
    throw VmError.config(`The ${forward.protocol} port ${port} is not forwarded: \`hartbox network forwards\` shows those that are.`, {
      code: 'forward-unknown',
      params: { port },
    });
  }

  #changed(): void {
    const now = JSON.stringify([this.adapters.map(addressesOf), this.forwards()]);
    if (now === this.#told) return;
    this.#told = now;
    this.onChange?.();
  }

  #nats(): { id: string; nat: Nat }[] {
    return this.adapters.flatMap(({ id, backend }) => (backend instanceof Nat ? [{ id, nat: backend }] : []));
  }

  #nat(id: string | undefined): Nat {
    const nats = this.#nats();
    const found = id === undefined ? nats[0] : nats.find((one) => one.id === this.find(id).id);
    if (found) return found.nat;
    throw VmError.config('Ports are forwarded by an adapter with NAT, of which the box has none: give it one (--network nat).', {
      code: 'no-nat',
    });
  }

  #mustBeOpen(): void {
    if (this.#isClosed) throw new VmError('State', 'The box is switched off.', { code: 'box-switched-off' });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#capture) await this.endCapture().catch(() => undefined);
    for (const { device } of this.adapters) await device.backend.close();
  }
}

/** Settings of an adapter, by what a change of them means. */
const SEEN_BY_GUEST = ['id', 'mac', 'mtu', 'queues', 'bus', 'slot'] as const;
const CONNECTION = ['connection', 'name', 'hostAccess', 'allow', 'deny', 'subnet', 'hostName', 'connect', 'listen'] as const;
const LINE = ['rate', 'delay', 'loss'] as const;

function differs(one: NetworkConfig, other: NetworkConfig, keys: readonly (keyof NetworkConfig)[]): boolean {
  return keys.some((key) => JSON.stringify(one[key]) !== JSON.stringify(other[key]));
}

/** Those that were made by hand stay, and so do connections. */
async function changeForwards(nat: Nat, before: readonly string[], after: readonly string[]): Promise<void> {
  for (const text of before) {
    const forward = after.includes(text) ? undefined : parseForward(text);
    if (forward) nat.removeForward(forward);
  }
  for (const text of after) {
    const forward = before.includes(text) ? undefined : parseForward(text);
    if (forward) await nat.addForward(forward);
  }
}

function addressesOf({ backend, heard }: Adapter): string[] {
  return backend instanceof Nat ? backend.guestAddresses : heard.list();
}

function idFor({ id }: NetworkConfig, adapters: readonly Adapter[]): string {
  let number = adapters.length;
  while (id === undefined && adapters.some((one) => one.id === `net${number}`)) number++;
  return id ?? `net${number}`;
}

/** Settings are checked already: what a connection needs is there. */
async function openBackend(config: NetworkConfig, options: NetworksOptions): Promise<NetworkBackend> {
  const { connection, name = '', connect, listen } = config;
  switch (connection) {
    case 'nat':
      return new Nat({
        net: config.subnet,
        hostAccess: config.hostAccess,
        allow: config.allow,
        deny: config.deny,
        hostName: config.hostName,
        forwards: config.forward?.flatMap((text) => parseForward(text) ?? []),
      });
    case 'stream':
      return StreamBackend.open({ address: parseSocketAddress(connect ?? listen ?? ''), server: listen !== undefined });
    case 'dgram':
      return DatagramBackend.open({ local: inetOf(listen), remote: inetOf(connect) });
    case 'switch':
      return SwitchBackend.open({ name, dataDirectory: options.dataDirectory ?? dataDirectory() });
    case 'tap':
      return TapBackend.open(name);
  }
}

/** Node has no datagrams by Unix sockets. */
function inetOf(text = ''): { host: string; port: number } {
  const address: SocketAddress = parseSocketAddress(text);
  if ('host' in address) return address;
  throw VmError.config(`Datagrams go by UDP: give HOST:PORT, not ${text}. By a Unix socket there is the stream.`, {
    code: 'dgram-no-unix',
    params: { address: text },
  });
}
