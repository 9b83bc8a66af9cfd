import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { isoImage } from '../iso-image';
import { hashPassword } from './password-hash';

/** What is different from box to box where they are made of the same image. */
export const seedSchema = z.strictObject({
  /** As Debian's useradd takes it. */
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,30}$/)
    .refine((user) => user !== 'root')
    .optional(),
  /** Empty, or left out: no password is asked for at the console, and none lets anybody in over the network. */
  password: z
    .string()
    .max(1024)
    .regex(/^[^\0\r\n]*$/)
    .optional(),
  /** Public keys as a line of authorized_keys has them. */
  sshKeys: z
    .array(
      z
        .string()
        .max(16384)
        .regex(/^(?:ssh|ecdsa|sk)-[\w@.-]+ [A-Za-z0-9+/=]+(?: [^\0\r\n]*)?$/),
    )
    .max(16)
    .optional(),
  hostname: z
    .string()
    .regex(/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/)
    .optional(),
  /** A name of the tz database: Europe/Berlin. */
  timezone: z
    .string()
    .max(64)
    .regex(/^[A-Za-z0-9_+-]+(?:\/[A-Za-z0-9_+-]+)*$/)
    .optional(),
  /** `de_DE.UTF-8`. */
  locale: z
    .string()
    .regex(/^(?:C|[a-z]{2,3}_[A-Z]{2})(?:\.UTF-8)?$/)
    .optional(),
  /** What cloud-init is to install, where it is cloud-init that reads this. */
  packages: z
    .array(z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9+._-]{0,127}$/))
    .max(256)
    .optional(),
});
export type BoxSeed = z.output<typeof seedSchema>;

/**
 * The disc by which a new box learns what is its own: for cloud-init (its data source NoCloud: a volume CIDATA with `user-data` and
 * `meta-data`), and in the file `hartbox` for the systems that Hartbox makes, whose first start takes no Python. Passwords are on it as
 * hashes only. Throws ZodError for values that do not fit, which no caller should let come so far.
 */
export function seedDisc(given: BoxSeed, instance: string = randomBytes(8).toString('hex')): Uint8Array {
  const seed = seedSchema.parse(given);
  const hash = seed.password ? hashPassword(seed.password) : '';
  const file = (name: string, text: string) => ({ name, contents: Buffer.from(text) });
  return isoImage('CIDATA', [
    file('meta-data', metaData(seed, instance)),
    file('user-data', userData(seed, hash)),
    file('hartbox', ownData(seed, hash)),
  ]);
}

function metaData({ hostname }: BoxSeed, instance: string): string {
  return `${JSON.stringify({ 'instance-id': instance, ...(hostname !== undefined && { 'local-hostname': hostname }) })}\n`;
}

/** JSON is YAML. */
function userData({ user, sshKeys = [], hostname, timezone, locale, packages = [] }: BoxSeed, hash: string): string {
  const account = user !== undefined && {
    name: user,
    shell: '/bin/sh',
    groups: ['sudo', 'wheel', 'adm'],
    lock_passwd: false,
    ...(hash === '' ? { plain_text_passwd: '', sudo: 'ALL=(ALL) NOPASSWD:ALL' } : { hashed_passwd: hash, sudo: 'ALL=(ALL) ALL' }),
    ...(sshKeys.length > 0 && { ssh_authorized_keys: sshKeys }),
  };
  const config = {
    ...(hostname !== undefined && { hostname, manage_etc_hosts: true }),
    ...(timezone !== undefined && { timezone }),
    ...(locale !== undefined && { locale }),
    ...(account && { users: [account] }),
    ...(packages.length > 0 && { packages }),
    growpart: { mode: 'auto', devices: ['/'] },
    ssh_pwauth: hash !== '',
  };
  return `#cloud-config\n${JSON.stringify(config, undefined, 2)}\n`;
}

/** Lines for resources/debian/first-boot.sh; the user before what is the user's. */
function ownData({ user, sshKeys = [], hostname, timezone, locale }: BoxSeed, hash: string): string {
  const lines = [
    ...(hostname === undefined ? [] : [`hostname=${hostname}`]),
    ...(timezone === undefined ? [] : [`timezone=${timezone}`]),
    ...(locale === undefined ? [] : [`locale=${locale}`]),
    ...(user === undefined ? [] : [`user=${user}`, `password=${hash}`, ...(hash === '' ? ['sudo=free'] : [])]),
    ...(user === undefined ? [] : sshKeys.map((key) => `key=${key}`)),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** A name for the user of a box like that of the user of this computer. */
export function fittingUser(name: string): string {
  const fitting = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '')
    .replace(/^[^a-z_]+/, '')
    .slice(0, 31);
  return fitting === '' || fitting === 'root' ? 'user' : fitting;
}
