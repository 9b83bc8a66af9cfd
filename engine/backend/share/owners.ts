/** A user and a group, by number. */
export interface Owner {
  uid: number;
  gid: number;
}

/** Who owns what nobody of those who are known owns. */
const NOBODY = 65534;

/** How owners on the host and in the guest belong together. */
export interface Owners {
  /** As the guest sees what these own on the host. */
  toGuest(owner: Owner): Owner;
  /** Who has it on the host what the guest gives to these; undefined for whom the host cannot give it to. */
  toHost(owner: Owner): Owner | undefined;
  /** Whether what the guest makes belongs to the user that made it there. */
  readonly arePassed: boolean;
}

/** Whoever runs the box is this one user of the guest, and everybody else nobody. */
export function mappedOwners(guest: Owner, host: Owner): Owners {
  return {
    toGuest: ({ uid, gid }) => ({ uid: uid === host.uid ? guest.uid : NOBODY, gid: gid === host.gid ? guest.gid : NOBODY }),
    toHost: ({ uid, gid }) => (uid === guest.uid && gid === guest.gid ? host : undefined),
    arePassed: false,
  };
}

/** Numbers are the same on both sides. What the host allows with them is up to it. */
export const passedOwners: Owners = { toGuest: (owner) => owner, toHost: (owner) => owner, arePassed: true };
