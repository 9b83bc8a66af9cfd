import { VmError } from '../../../errors/vm-error';
import { addressIn, type IpAddress, type Net, overlap, parseAddress, parseNet } from './addresses';

/** The guest's IPv4 net: gateway .2, name server .3, guests from .15 on, as in QEMU. */
export interface Subnet4 {
  net: Net;
  gateway: IpAddress;
  dns: IpAddress;
  /** The last one, which means all. */
  all: IpAddress;
  /** Addresses that are given out: the first, and how many. */
  firstGuest: number;
  guests: number;
}

export interface Subnet6 {
  net: Net;
  gateway: IpAddress;
  dns: IpAddress;
  linkLocal: IpAddress;
  /** All of ours. */
  ours: readonly IpAddress[];
}

/** Nets to choose from where the host has one of its own in the first. */
const CHOICES = ['10.0.2.0/24', '10.0.3.0/24', '10.213.74.0/24', '172.30.213.0/24', '192.168.213.0/24', '198.18.213.0/24'];
/** Of the prefix for local use (RFC 4193): one that was drawn once, for all. */
const NET6 = 'fd48:7862:0b0c::/64';

/** The net of that name, or the first that is none of the host's (`nets`, as `192.168.1.2/24`). */
export function subnet4(text: string | undefined, nets: readonly string[]): Subnet4 {
  const taken = nets.flatMap((one) => parseNet(one) ?? []);
  const net =
    text === undefined
      ? CHOICES.flatMap((one) => parseNet(one) ?? []).find((one) => !taken.some((other) => overlap(one, other)))
      : parseNet(text);
  const chosen = net ?? (text === undefined ? parseNet(CHOICES[0]) : undefined);
  if (!chosen || !isSubnet4(chosen))
    throw VmError.config(`'${text}' is no net for guests; expected one as 10.0.2.0/24, with 8 to 27 bits before the hosts'.`, {
      code: 'subnet-invalid',
      params: { net: text ?? '' },
    });
  const hosts = 2 ** (32 - chosen.prefix);
  return {
    net: chosen,
    gateway: addressIn(chosen, 2),
    dns: addressIn(chosen, 3),
    all: addressIn(chosen, hosts - 1),
    firstGuest: 15,
    guests: Math.min(hosts - 16, 200),
  };
}

/** Whether a net has room for guests, and is none of the largest. */
export function isSubnet4({ address, prefix }: Net): boolean {
  return address.length === 4 && prefix >= 8 && prefix <= 27;
}

/** The net of the host's that a chosen one would hide from the guest, if any. */
export function clash(subnet: Subnet4, nets: readonly string[]): string | undefined {
  return nets.find((one) => {
    const other = parseNet(one);
    return other !== undefined && overlap(subnet.net, other);
  });
}

export function subnet6(): Subnet6 {
  const net = parseNet(NET6)!;
  const gateway = addressIn(net, 2);
  const dns = addressIn(net, 3);
  const linkLocal = parseAddress('fe80::2')!;
  return { net, gateway, dns, linkLocal, ours: [gateway, dns, linkLocal] };
}
