import type { Arguments, Result } from '../engine/runner/control';

/** Requests about the network of a box that runs. What the preload script brings along is small, as in contract.ts. */

/** A port of this computer that leads to one of the guest's. */
export type Forward = Result<'network-forward'>;
export type Flow = Result<'network-flows'>['flows'][number];
export type Adapter = Result<'networks'>['adapters'][number];

/** The network as it is at this moment. */
export interface NetworkLook extends Result<'networks'> {
  forwards: Forward[];
  /** The newest, and how many there are. */
  flows: Flow[];
  flowCount: number;
}

/** Ports of guests at which something answers that a browser shows, as a rule. */
const HTTP = [80, 3000, 4000, 5000, 5173, 8000, 8008, 8080, 8081, 8888, 9000];
const HTTPS = [443, 8443];

/** How a browser would reach what listens at such a port; undefined where there is nothing for it, most likely. */
export function webScheme({ protocol, guestPort }: Pick<Forward, 'protocol' | 'guestPort'>): 'http' | 'https' | undefined {
  if (protocol !== 'tcp') return undefined;
  if (HTTPS.includes(guestPort)) return 'https';
  return HTTP.includes(guestPort) ? 'http' : undefined;
}

/** Flows that the window gets to show. */
export const MOST_FLOWS = 200;

export interface NetworkRequests {
  'network.look'(vm: string): NetworkLook;
  /** Until the box is switched off; answers with the port where any was asked for (0). */
  'network.forward'(vm: string, forward: Arguments<'network-forward'>): Forward;
  'network.unforward'(vm: string, forward: Arguments<'network-unforward'>): void;
  /** Open what listens at a forwarded port in the browser, once the user has confirmed it. */
  'network.browse'(vm: string, hostAddress: string, hostPort: number): void;
  /** Put an adapter's cable in, or pull it out. */
  'network.link'(vm: string, adapter: string, up: boolean): void;
  /** Capture into a file that the user picks; answers whether one was. */
  'network.capture'(vm: string): boolean;
  'network.end-capture'(vm: string): Result<'capture-end'>;
}

export const networkRequestNames: Record<keyof NetworkRequests, true> = {
  'network.look': true,
  'network.forward': true,
  'network.unforward': true,
  'network.browse': true,
  'network.link': true,
  'network.capture': true,
  'network.end-capture': true,
};
