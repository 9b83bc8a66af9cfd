import { type Family, formatAddress, type IpAddress, isLoopback, parseAddress } from '../addresses';
import type { NetworkHost } from '../host';
import type { Names } from '../names';
import type { Policy } from '../policy';
import type { TimerWheel } from '../timer-wheel';
import {
  A,
  AAAA,
  answerTo,
  codeOf,
  cut,
  isInternet,
  isPlainName,
  NO_ERROR,
  NO_SUCH_NAME,
  type Question,
  readQuery,
  REFUSED,
  SERVER_FAILURE,
} from './message';
import { Upstream } from './upstream';

/** Queries that are being answered at a time: what comes beyond fails, and the guest asks again. */
const MOST_QUERIES = 64;
/** What the host's resolver said is good for so long: it asks for A and AAAA at once, guests one after the other. */
const MEMORY_MS = 5000;
const MOST_REMEMBERED = 256;
/** The resolver does not tell how long an answer holds; it is asked again soon. */
const TTL_SECONDS = 15;
/** Our own names, below which the guest finds its host. */
export const DOMAIN = 'hartbox';
const HOST_NAMES = new Set([`host.${DOMAIN}`, `gateway.${DOMAIN}`]);

const isLabel = (name: string): boolean => name !== '' && !name.includes('.');

type Found = Awaited<ReturnType<NetworkHost['lookup']>>;

export interface ForwarderOptions {
  host: NetworkHost;
  wheel: TimerWheel;
  policy: Policy;
  names: Names;
  gateway: (family: Family) => IpAddress | undefined;
  /** The guest may talk to the host: names of the host itself lead there. */
  hostAccess: boolean;
}

/** The name server that a guest sees: it answers as the host's own resolver does. */
export class DnsForwarder {
  private readonly upstream: Upstream;
  private readonly remembered = new Map<string, { at: number; found: Promise<Found> }>();
  private queries = 0;

  constructor(private readonly options: ForwarderOptions) {
    this.upstream = new Upstream(options.host, options.wheel);
  }

  /** The answer to a query, which must not change meanwhile; undefined where it deserves none. */
  async answer(query: Uint8Array, byTcp: boolean): Promise<Uint8Array | undefined> {
    const question = readQuery(query);
    if (question === undefined) return undefined;
    if (typeof question === 'number') return answerTo(query, undefined, question, [], 0, 512);
    const limit = byTcp ? 65535 : question.limit;
    const say = (code: number, addresses: readonly string[] = []): Uint8Array =>
      answerTo(query, question, code, addresses, TTL_SECONDS, limit);
    if (this.queries >= MOST_QUERIES) return say(SERVER_FAILURE);
    this.queries++;
    try {
      const name = question.name.toLowerCase();
      if (!this.options.policy.permitsName(name)) return say(REFUSED);
      const hasAddresses = isInternet(question) && (question.type === A || question.type === AAAA);
      if (name === DOMAIN || name.endsWith(`.${DOMAIN}`)) {
        const short = name.slice(0, -DOMAIN.length - 1);
        const isOwn = HOST_NAMES.has(name) || !isLabel(short) || short === 'localhost' || !this.options.policy.permitsName(short);
        // The guest puts our domain behind short names: so they find what the host's own search domains and hosts file have.
        return isOwn || !hasAddresses ? this.own(name, question, say) : await this.resolve(short, query, question, say);
      }
      if (hasAddresses && isPlainName(name)) return await this.resolve(name, query, question, say);
      return await this.forward(query, question, byTcp, say);
    } catch {
      return say(SERVER_FAILURE);
    } finally {
      this.queries--;
    }
  }

  private own(name: string, { type }: Question, say: (code: number, addresses?: string[]) => Uint8Array): Uint8Array {
    if (!HOST_NAMES.has(name)) return say(name === DOMAIN ? NO_ERROR : NO_SUCH_NAME);
    const address = type === A ? this.options.gateway(4) : type === AAAA ? this.options.gateway(6) : undefined;
    return say(NO_ERROR, address ? [formatAddress(address)] : []);
  }

  private async resolve(
    name: string,
    query: Uint8Array,
    question: Question,
    say: (code: number, addresses?: string[]) => Uint8Array,
  ): Promise<Uint8Array> {
    const family = question.type === A ? 4 : 6;
    const found = await this.lookup(name);
    if (found.length === 0) return say((await this.exists(name, query, question)) ? NO_ERROR : NO_SUCH_NAME);
    const gateway = this.options.gateway(family);
    // Without a way for IPv6 its addresses would only cost the guest time.
    if (family === 6 && !gateway) return say(NO_ERROR);
    const addresses = new Set<string>();
    for (const one of found) {
      const bytes = parseAddress(one.address);
      if (one.family !== family || bytes?.length !== (family === 4 ? 4 : 16)) continue;
      const isHost = this.options.hostAccess && isLoopback(bytes) && name !== 'localhost' && gateway;
      addresses.add(formatAddress(isHost ? gateway : bytes));
    }
    for (const address of addresses) this.options.names.note(name, address);
    return say(NO_ERROR, [...addresses]);
  }

  /** Whether a name without addresses has anything else: the host's resolver does not say, its name servers do. */
  private async exists(name: string, query: Uint8Array, question: Question): Promise<boolean> {
    if (isLabel(name)) return false;
    const answer = await this.upstream.ask(query, question, false);
    return answer !== undefined && codeOf(answer) === NO_ERROR;
  }

  private lookup(name: string): Promise<Found> {
    const now = this.options.wheel.now();
    const known = this.remembered.get(name);
    if (known && now - known.at < MEMORY_MS) return known.found;
    this.remembered.delete(name);
    if (this.remembered.size >= MOST_REMEMBERED) this.remembered.delete(this.remembered.keys().next().value!);
    const found = this.options.host.lookup(name, 0);
    this.remembered.set(name, { at: now, found });
    found.catch(() => {
      if (this.remembered.get(name)?.found === found) this.remembered.delete(name);
    });
    return found;
  }

  private async forward(query: Uint8Array, question: Question, byTcp: boolean, say: (code: number) => Uint8Array): Promise<Uint8Array> {
    const answer = await this.upstream.ask(query, question, byTcp);
    if (!answer) return say(SERVER_FAILURE);
    return byTcp || answer.length <= question.limit ? answer : cut(answer, question);
  }
}
