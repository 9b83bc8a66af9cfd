import { z } from 'zod';
import { option } from './option';
import { placeOptions } from './place';

/** `HOST:PORT`, `[ADDRESS]:PORT`, `:PORT` for this computer, or `unix:` and a whole path. */
export const SOCKET_ADDRESS = /^(unix:([/\\]|[A-Za-z]:[/\\]).*|(\[[^\]]+\]|[^:]*):\d{1,5})$/s;
/** A port of the host's that leads to one of the guest: `2222:22`, `udp:5353:53`, `0.0.0.0:8080:80`, `tcp:[::1]:8080:80`. */
const FORWARD = /^(?:(tcp|udp):)?(?:(\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\]|\*):)?(\d{1,5}):(\d{1,5})$/i;

export interface Forward {
  protocol: 'tcp' | 'udp';
  hostAddress: string;
  /** 0: any that is free. */
  hostPort: number;
  guestPort: number;
}

/** Undefined: the text is none. */
export function parseForward(text: string): Forward | undefined {
  const match = FORWARD.exec(text.trim());
  if (!match) return undefined;
  const [, protocol = 'tcp', address = '127.0.0.1', host, guest] = match;
  const [hostPort, guestPort] = [Number(host), Number(guest)];
  if (hostPort > 65535 || guestPort > 65535 || guestPort === 0) return undefined;
  const hostAddress = address === '*' ? '0.0.0.0' : address.replace(/^\[|\]$/g, '');
  return { protocol: protocol.toLowerCase() === 'udp' ? 'udp' : 'tcp', hostAddress, hostPort, guestPort };
}

export function formatForward({ protocol, hostAddress, hostPort, guestPort }: Forward): string {
  const address = hostAddress === '127.0.0.1' ? '' : `${hostAddress.includes(':') ? `[${hostAddress}]` : hostAddress}:`;
  return `${protocol === 'udp' ? 'udp:' : ''}${address}${hostPort}:${guestPort}`;
}

/** Six bytes, of which the first is even: no group has it. */
export const MAC_ADDRESS = /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i;

/** A network adapter and what it is connected to; on the command line `nat,forward=2222:22`, `stream,connect=127.0.0.1:1234`, `switch=lan,mtu=9000` or `tap=tap0`. */
export const networkSchema = z.strictObject({
  connection: option(z.enum(['nat', 'stream', 'dgram', 'switch', 'tap']), {
    label: 'Connected to',
    help: "nat: the world, as this computer reaches it, without privileges; stream: another program or box that speaks QEMU's stream protocol, by TCP or a Unix socket; dgram: the same by UDP, a datagram for each packet; switch: all boxes of yours whose adapters name the same switch; tap: an interface of this Linux, which an administrator makes for you",
    page: 'network',
    kind: 'choice',
    effect: 'live',
    choices: { nat: 'NAT', stream: 'stream (QEMU, passt)', dgram: 'datagrams (QEMU)', switch: 'switch', tap: 'tap (Linux)' },
    cli: { name: 'to' },
  }),
  name: option(
    z
      .string()
      .regex(/^[\w.-]{1,32}$/)
      .optional(),
    {
      label: 'Name of the switch or tap',
      help: 'letters, digits, dots and dashes, of a tap at most 15; a switch is there as long as a box is at it',
      page: 'network',
      kind: 'text',
      effect: 'live',
      cli: { value: 'NAME' },
    },
  ),
  forward: option(z.array(z.string().max(64)).max(256).optional(), {
    label: 'Forwarded ports',
    help: 'of nat: ports of this computer that lead to the guest, as 2222:22 (here, in the guest), udp:5353:53, or *:8080:80 for other computers too',
    page: 'network',
    kind: 'words',
    effect: 'live',
    cli: { value: 'HERE:GUEST,,…' },
  }),
  hostAccess: option(z.boolean().optional(), {
    label: 'Access to this computer',
    help: "of nat: the guest reaches, as host.hartbox, what listens on this computer's own address 127.0.0.1",
    page: 'network',
    kind: 'switch',
    effect: 'live',
  }),
  allow: option(z.array(z.string().max(300)).max(1000).optional(), {
    label: 'Allowed',
    help: 'of nat: the guest reaches only these nets and names: 192.168.0.0/16, example.org, *.example.org, each with :PORT or without',
    page: 'network',
    kind: 'words',
    effect: 'live',
    advanced: true,
    cli: { value: 'NET|NAME,,…' },
  }),
  deny: option(z.array(z.string().max(300)).max(1000).optional(), {
    label: 'Denied',
    help: 'of nat: nets and names that the guest does not reach, though they are allowed',
    page: 'network',
    kind: 'words',
    effect: 'live',
    advanced: true,
    cli: { value: 'NET|NAME,,…' },
  }),
  subnet: option(z.string().max(18).optional(), {
    label: "Guest's net",
    help: 'of nat: such as 10.0.2.0/24; one that this computer has no part in unless given',
    page: 'network',
    kind: 'text',
    effect: 'live',
    advanced: true,
    cli: { value: 'NET' },
  }),
  hostName: option(
    z
      .string()
      .regex(/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/)
      .optional(),
    {
      label: 'Name for the guest',
      help: 'of nat: the host name that the guest is given by DHCP: letters, digits and dashes',
      page: 'network',
      kind: 'text',
      effect: 'live',
      advanced: true,
      cli: { name: 'hostname', value: 'NAME' },
    },
  ),
  connect: option(z.string().max(256).optional(), {
    label: 'Connect to',
    help: 'where the other end listens: HOST:PORT, or unix: and the path of its socket; tried again until somebody is there',
    page: 'network',
    kind: 'text',
    effect: 'live',
    cli: { value: 'ADDRESS' },
  }),
  listen: option(z.string().max(256).optional(), {
    label: 'Listen at',
    help: 'where the other end connects to: HOST:PORT (:PORT is this computer alone), or unix: and the path of a socket; dgram has both',
    page: 'network',
    kind: 'text',
    effect: 'live',
    cli: { value: 'ADDRESS' },
  }),
  mac: option(z.string().max(17).optional(), {
    label: 'MAC address',
    help: 'six bytes such as 52:54:00:12:34:56; one that stays with the box unless given',
    page: 'network',
    kind: 'text',
    effect: 'restart',
    advanced: true,
  }),
  mtu: option(z.number().int().min(68).max(65535).default(1500), {
    label: 'MTU',
    help: 'largest packet that the guest sends, in bytes',
    page: 'network',
    kind: 'count',
    effect: 'restart',
    advanced: true,
  }),
  queues: option(z.number().int().min(1).max(16).optional(), {
    label: 'Queues',
    help: 'pairs of queues; as many as there are harts unless given',
    page: 'network',
    kind: 'count',
    effect: 'restart',
    advanced: true,
    cli: { value: 'N' },
  }),
  rate: option(z.number().int().min(1).max(100_000_000).optional(), {
    label: 'Speed',
    help: 'how much goes through either way, in kbit/s, for experiments; what would wait longer than 200 ms for its turn is lost',
    page: 'network',
    kind: 'count',
    effect: 'live',
    advanced: true,
    cli: { value: 'KBIT' },
  }),
  delay: option(z.number().int().min(0).max(60_000).optional(), {
    label: 'Delay',
    help: 'how long each packet is under way, in milliseconds, for experiments; a ping and its answer take twice as long',
    page: 'network',
    kind: 'count',
    effect: 'live',
    advanced: true,
    cli: { value: 'MS' },
  }),
  loss: option(z.number().int().min(0).max(100).optional(), {
    label: 'Loss',
    help: 'so many of a hundred packets are lost either way, for experiments: the same ones at each start',
    page: 'network',
    kind: 'count',
    effect: 'live',
    advanced: true,
    cli: { value: 'PERCENT' },
  }),
  link: option(z.boolean().default(true), {
    label: 'Cable',
    help: 'whether the cable is in when the box is switched on',
    page: 'network',
    kind: 'switch',
    effect: 'live',
    advanced: true,
  }),
  ...placeOptions('network', {
    id: 'names the adapter while the box runs; net0, net1 and so on unless given',
    slot: 'number of its MMIO slot (0 to 7) or PCI device (1 to 31); the first that is free unless given',
  }),
});

export type NetworkConfig = z.output<typeof networkSchema>;

/** Longest name of an interface of Linux (IFNAMSIZ, without the NUL). */
const INTERFACE_NAME_MAX = 15;

/** The adapters of a box: each right by itself, and with what its connection needs. */
export const networksSchema = z
  .array(networkSchema)
  .max(8)
  .superRefine((adapters, context) => {
    const report = (rule: string, message: string): void => {
      context.addIssue({ code: 'custom', path: [], message, params: { rule } });
    };
    const ids = adapters.flatMap(({ id }) => (id === undefined ? [] : [id]));
    const twice = ids.find((id, at) => ids.indexOf(id) !== at);
    if (twice !== undefined) report('network-id-twice', `has two adapters named ${twice}: give one of them another id`);
    for (const { connection, name, connect, listen, mac, forward } of adapters) {
      const wrong = forward?.find((one) => parseForward(one) === undefined);
      if (wrong !== undefined)
        report(
          'network-forward',
          `forwards '${wrong}', which is no port: expected HERE:GUEST as 2222:22, with udp: or an address before it or without`,
        );
      if (mac !== undefined && !MAC_ADDRESS.test(mac))
        report('network-mac', `has an adapter with the MAC address ${mac}: expected six bytes such as 52:54:00:12:34:56`);
      if ([connect, listen].some((address) => address !== undefined && !SOCKET_ADDRESS.test(address)))
        report('network-address', 'has an address that is none: expected HOST:PORT, or unix: and the whole path of a socket');
      if (connection === 'stream' && (connect === undefined) === (listen === undefined))
        report('network-stream', 'has a stream, which needs either connect or listen');
      if (connection === 'dgram' && (connect === undefined || listen === undefined))
        report('network-dgram', 'has a connection by datagrams (dgram), which needs both connect and listen');
      if (connection === 'switch' && name === undefined) report('network-switch', 'has a switch without a name: write switch=NAME');
      if (connection === 'tap' && (name === undefined || name.length > INTERFACE_NAME_MAX))
        report('network-tap', `has a tap without a name of an interface, of ${INTERFACE_NAME_MAX} characters at most: write tap=NAME`);
    }
  });
