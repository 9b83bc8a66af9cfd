import { VmError } from '../../../errors/vm-error';
import { formatAddress, isIn, type Net, parseNet } from './addresses';
import type { Names } from './names';

/** One entry of a list: a net or a name, and ports. */
export interface Rule {
  net?: Net;
  /** In lower case; with `*.` before it all names below are meant. */
  name?: string;
  firstPort: number;
  lastPort: number;
}

/** `10.0.0.0/8`, `example.org:443`, `*.example.org`, `[fd00::/8]:1-1023`, `*:25`. Throws VmError 'Config' for anything else. */
export function parseRule(text: string): Rule {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)|([0-9a-f:./]*:[0-9a-f:./]*))(?::(\d{1,5})(?:-(\d{1,5}))?)?$/i.exec(text);
  // An address of IPv6 without brackets is one as a whole.
  const bare = parseNet(text) ? text : undefined;
  const host = bare ?? match?.[1] ?? match?.[2] ?? match?.[3] ?? '';
  const first = bare !== undefined || match?.[4] === undefined ? 0 : Number(match[4]);
  const last = bare !== undefined || match?.[4] === undefined ? 65535 : Number(match[5] ?? match[4]);
  const net = parseNet(host);
  const isName = /^(\*|(\*\.)?[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*\.?)$/i.test(host) && !/^[\d.]+$/.test(host);
  if ((!net && !isName) || first > last || last > 65535)
    throw VmError.config(
      `'${text}' names nothing that can be allowed or denied; expected a net as 10.0.0.0/8, a name as example.org or *.example.org, each with :PORT or :FIRST-LAST behind it or without; nets of IPv6 with ports in brackets.`,
      {
        code: 'network-rule-invalid',
        params: { rule: text },
      },
    );
  return { ...(net ? { net } : { name: host.toLowerCase().replace(/\.$/, '') }), firstPort: first, lastPort: last };
}

function nameFits(rule: string, name: string): boolean {
  if (rule === '*') return true;
  return rule.startsWith('*.') ? name.endsWith(rule.slice(1)) : name === rule;
}

/**
 * Whom the guest may talk to. Names are a matter of DNS: one that is denied is not resolved, and where some are allowed, only addresses that
 * they were resolved to are.
 */
export class Policy {
  constructor(
    private readonly allow: readonly Rule[],
    private readonly deny: readonly Rule[],
    private readonly names: Names,
  ) {}

  /** `port` 0: of a protocol without ports. */
  permits(bytes: Uint8Array, at: number, length: number, port: number): boolean {
    if (this.allow.length === 0 && this.deny.length === 0) return true;
    let name: string | undefined;
    const fits = (rule: Rule): boolean => {
      if (port < rule.firstPort || port > rule.lastPort) return false;
      if (rule.net) return isIn(bytes, at, length, rule.net);
      if (rule.name === '*') return true;
      name ??= this.names.of(formatAddress(bytes, at, length)) ?? '';
      return name !== '' && nameFits(rule.name!, name);
    };
    if (this.deny.some(fits)) return false;
    return this.allow.length === 0 || this.allow.some(fits);
  }

  /** Whether a name may be resolved. */
  permitsName(name: string): boolean {
    const lower = name.toLowerCase();
    const isAllPorts = ({ firstPort, lastPort }: Rule): boolean => firstPort === 0 && lastPort === 65535;
    if (this.deny.some((rule) => rule.name !== undefined && isAllPorts(rule) && nameFits(rule.name, lower))) return false;
    // Where nets are allowed, any name may lead there.
    return this.allow.length === 0 || this.allow.some((rule) => rule.net !== undefined || nameFits(rule.name!, lower));
  }
}
