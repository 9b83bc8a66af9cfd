import { refusal } from './linux-errors';

/** All others mean something to the host: capabilities, labels, access lists. */
const PREFIX = 'user.';
const NAME_MAX = 255;

/** Throws where the name is none that a guest may use. */
export function checkAttributeName(name: string): void {
  if (name.includes('\0')) throw refusal('EINVAL');
  if (!name.startsWith(PREFIX)) throw refusal('EOPNOTSUPP');
  if (name.length > NAME_MAX) throw refusal('ERANGE');
}

/** Of a list of names, each with a NUL behind it, those that a guest may use. */
export function listedAttributes(list: Uint8Array): Uint8Array {
  const names = Buffer.from(list).toString('latin1').split('\0');
  const own = names.filter((name) => name.startsWith(PREFIX)).map((name) => `${name}\0`);
  return Buffer.from(own.join(''), 'latin1');
}
