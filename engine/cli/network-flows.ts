import { formatForward, type Forward, parseForward } from '../settings/network';
import { NETWORK_FLOWS, NETWORK_FORWARD, NETWORK_FORWARDS, NETWORK_UNFORWARD } from './commands/network';
import type { Command } from './command';
import { sizeOf } from './network';
import { nothingMore, parseBoxCommand, runningBox } from './running-box';
import { formatTable } from './table';
import { UsageError } from './usage-error';

/** `hartbox network flows`: what the guest talks with. */
export async function networkFlows(args: string[]): Promise<number> {
  const { name, values, rest } = parseBoxCommand(NETWORK_FLOWS, args);
  nothingMore('network', rest);
  const { client } = await runningBox(name);
  try {
    const { flows } = await client.call('network-flows', {});
    if (values.json) process.stdout.write(`${JSON.stringify(flows, null, 2)}\n`);
    else if (flows.length === 0) process.stdout.write('No flows.\n');
    else
      process.stdout.write(
        formatTable([
          ['PROTOCOL', 'GUEST', 'REMOTE', 'NAME', 'STATE', 'SENT', 'RECEIVED', 'AGE', 'IDLE'],
          ...flows.map((flow) => [
            flow.protocol,
            flow.guest,
            flow.remote,
            flow.name ?? '-',
            flow.state,
            sizeOf(flow.fromGuest),
            sizeOf(flow.toGuest),
            `${flow.age.toFixed(0)} s`,
            `${flow.idle.toFixed(0)} s`,
          ]),
        ]),
      );
  } finally {
    client.close();
  }
  return 0;
}

/** `hartbox network forwards`: ports of this computer that lead to the guest. */
export async function networkForwards(args: string[]): Promise<number> {
  const { name, values, rest } = parseBoxCommand(NETWORK_FORWARDS, args);
  nothingMore('network', rest);
  const { client } = await runningBox(name);
  try {
    const { forwards } = await client.call('network-forwards', {});
    if (values.json) process.stdout.write(`${JSON.stringify(forwards, null, 2)}\n`);
    else if (forwards.length === 0) process.stdout.write('No forwarded ports.\n');
    else
      process.stdout.write(
        formatTable([
          ['PROTOCOL', 'HERE', 'GUEST', 'ADAPTER'],
          ...forwards.map((one) => [one.protocol, `${one.hostAddress}:${one.hostPort}`, `${one.guestPort}`, one.adapter]),
        ]),
      );
  } finally {
    client.close();
  }
  return 0;
}

/** `hartbox network forward` and `unforward`. */
export function networkForward(add: boolean): (args: string[]) => Promise<number> {
  return async (args) => {
    const { name, rest } = parseBoxCommand((add ? NETWORK_FORWARD : NETWORK_UNFORWARD) as Command, args);
    const [text, ...more] = rest;
    nothingMore('network', more);
    const forward = forwardOf(text);
    const { client } = await runningBox(name);
    try {
      if (add) process.stdout.write(`${formatForward(await client.call('network-forward', forward))}\n`);
      else await client.call('network-unforward', forward);
    } finally {
      client.close();
    }
    return 0;
  };
}

function forwardOf(text: string | undefined): Forward {
  if (text === undefined) throw new UsageError('HERE:GUEST is missing.', 'network');
  const forward = parseForward(text);
  if (!forward)
    throw new UsageError(`'${text}' is no forwarded port; expected HERE:GUEST as 2222:22, udp:5353:53 or *:8080:80.`, 'network');
  return forward;
}
