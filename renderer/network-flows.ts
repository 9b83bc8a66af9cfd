import type { Adapter, Flow, NetworkLook } from '../main/network-contract';

/** Bytes a second, as the guest sees it. */
export interface Rate {
  sent: number;
  received: number;
}

/** Of a flow while it is the same one: another may come to have the same ends. */
export function flowKey({ adapter, protocol, guest, remote }: Flow): string {
  return `${adapter} ${protocol} ${guest} ${remote}`;
}

/** What went through between two looks that are so many seconds apart, by flow and adapter. Nothing is said of what was not there before. */
export function ratesBetween(
  before: NetworkLook,
  after: NetworkLook,
  seconds: number,
): { flows: Map<string, Rate>; adapters: Map<string, Rate> } {
  const rate = (was: number, is: number): number => (seconds > 0 ? Math.max(0, is - was) / seconds : 0);
  const known = new Map(before.flows.map((flow) => [flowKey(flow), flow]));
  const flows = new Map<string, Rate>();
  for (const flow of after.flows) {
    const old = known.get(flowKey(flow));
    if (old && old.age <= flow.age)
      flows.set(flowKey(flow), { sent: rate(old.fromGuest, flow.fromGuest), received: rate(old.toGuest, flow.toGuest) });
  }
  const adapters = new Map<string, Rate>();
  for (const { id, statistics } of after.adapters) {
    const old = before.adapters.find((one: Adapter) => one.id === id)?.statistics;
    if (old)
      adapters.set(id, {
        sent: rate(old.bytesFromGuest, statistics.bytesFromGuest),
        received: rate(old.bytesToGuest, statistics.bytesToGuest),
      });
  }
  return { flows, adapters };
}

/** Where a flow stands, in a word for people; what TCP calls it is for those who ask. */
export function flowPhase({ state }: Flow): 'connecting' | 'open' | 'closing' {
  if (state === 'connecting' || state === 'syn-sent' || state === 'syn-received') return 'connecting';
  return state === 'open' || state === 'established' ? 'open' : 'closing';
}
