import { z } from 'zod';
import { formatAddress, formatMac, type IpAddress, parseAddress } from './addresses';
import { MOST_NEIGHBOURS } from './guest-link';
import { MOST_CONNECTIONS, type Orphan } from './tcp/stack';

const MOST_LEASES = 256;

const address = z
  .string()
  .max(45)
  .transform((text, context): IpAddress => {
    const bytes = parseAddress(text);
    if (bytes) return bytes;
    context.addIssue(`${text} is no address`);
    return z.NEVER;
  });
const macText = z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
const mac = macText.transform((text) => Uint8Array.from(text.split(':'), (byte) => Number.parseInt(byte, 16)));
const port = z.int().min(1).max(65535);
const hostNumber = z.int().min(1).max(65535);

const orphan = z
  .strictObject({ mac, guest: address, guestPort: port, remote: address, remotePort: port, next: z.int32() })
  .refine(({ guest, remote }) => guest.length === remote.length, 'addresses of two kinds');

/** What goes with the guest when it goes on elsewhere: what it was told, and its connections, which end. */
export const savedNatSchema = z.strictObject({
  kind: z.literal('nat'),
  version: z.literal(1),
  net: z.string().max(18),
  ipv6: z.boolean(),
  leases: z.array(z.tuple([macText, hostNumber])).max(MOST_LEASES),
  refused: z.array(hostNumber).max(MOST_LEASES),
  leases6: z.array(z.tuple([z.string().regex(/^([0-9a-f]{2}){1,1024}$/), hostNumber])).max(MOST_LEASES),
  neighbours: z.array(z.strictObject({ address, mac })).max(MOST_NEIGHBOURS),
  connections: z.array(orphan).max(MOST_CONNECTIONS),
});

export type SavedNat = z.input<typeof savedNatSchema>;

export function saveOrphan({ guest, remote, ...rest }: Orphan): SavedNat['connections'][number] {
  return { ...rest, mac: formatMac(rest.mac), guest: formatAddress(guest), remote: formatAddress(remote) };
}
