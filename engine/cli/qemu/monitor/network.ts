import type { VirtualMachine } from '../../../index';
import { type Forward, formatForward } from '../../../settings/network';
import { hostForward, hostPort } from '../networks';
import type { MonitorCommand } from './command';
import { MonitorError } from './expression';

const WIDTHS = [20, 16, 6, 16, 6] as const;

/** What `info` tells of networks. */
export const NETWORK_INFO: readonly MonitorCommand[] = [
  {
    names: ['network'],
    help: 'show the network adapters',
    run: (_rest, { machine }) =>
      machine.networks
        .list()
        .map(
          ({ id, mac, connection, cable }, index) =>
            `${id}: index=${index},type=nic,model=virtio-net,macaddr=${mac}\n \\ ${connection}${cable ? '' : ',link=off'}\n`,
        )
        .join(''),
  },
  {
    names: ['usernet'],
    help: 'show the connections and forwarded ports of user networks',
    run: (_rest, { machine }) =>
      machine.networks
        .list()
        .map(({ id }) => {
          const rows = [
            ['Protocol[State]', 'Source Address', 'Port', 'Dest. Address', 'Port'],
            ...machine.networks
              .forwards()
              .filter(({ adapter }) => adapter === id)
              .map((one) => [`${one.protocol.toUpperCase()}[HOST_FORWARD]`, one.hostAddress, `${one.hostPort}`, '', `${one.guestPort}`]),
            ...machine.networks
              .flows()
              .filter(({ adapter }) => adapter === id)
              .map((flow) => [`${flow.protocol.toUpperCase()}[${flow.state}]`, ...endpoint(flow.guest), ...endpoint(flow.remote)]),
          ];
          return `${id}:\n${rows.map((row) => `  ${row.map((cell, at) => (at === 0 ? cell.padEnd(WIDTHS[at]) : cell.padStart(WIDTHS[at]))).join(' ')}\n`).join('')}`;
        })
        .join(''),
  },
];

/** `10.0.2.15:80` and `[fd00::2]:80` as address and port. */
function endpoint(text: string): [string, string] {
  const at = text.lastIndexOf(':');
  return [text.slice(0, at).replace(/^\[|\]$/g, ''), text.slice(at + 1)];
}

export const NETWORK_COMMANDS: readonly MonitorCommand[] = [
  {
    names: ['set_link'],
    takes: 'NAME on|off',
    help: 'change the link status of a network adapter',
    run: (rest, { machine }) => {
      const [name = '', state] = rest.split(/\s+/);
      if (state !== 'on' && state !== 'off') throw new MonitorError("Expected 'on' or 'off'");
      if (!machine.networks.list().some(({ id }) => id === name)) return `Error: Device '${name}' not found\n`;
      machine.networks.setLink(name, state === 'on');
      return '';
    },
  },
  {
    names: ['hostfwd_add'],
    takes: '[NETDEV] [tcp|udp]:[HOST]:PORT-[GUEST]:PORT',
    help: 'let a port of this computer lead to the guest',
    run: async (rest, { machine }) => {
      const { id, rule } = target(rest, machine);
      const found = hostForward(rule);
      if (!found) return `Invalid host forwarding rule '${rule}'\n`;
      const { target: guest, ...forward } = found;
      if (guest !== '') return `Forwards lead to the guest's own address here: leave ${guest} out\n`;
      await machine.networks.addForward(forward, id);
      return '';
    },
  },
  {
    names: ['hostfwd_remove'],
    takes: '[NETDEV] [tcp|udp]:[HOST]:PORT',
    help: 'let it lead there no longer',
    run: (rest, { machine }) => {
      const { id, rule } = target(rest, machine);
      const port = hostPort(rule);
      if (!port) return `Invalid host forwarding rule '${rule}'\n`;
      const isThere = machine.networks.forwards().some((one) => (id === undefined || one.adapter === id) && isSame(one, port));
      if (isThere) machine.networks.removeForward(port);
      return `host forwarding rule for ${rule} ${isThere ? 'removed' : 'not found'}\n`;
    },
  },
];

function isSame(one: Omit<Forward, 'guestPort'>, other: Omit<Forward, 'guestPort'>): boolean {
  const text = (forward: Omit<Forward, 'guestPort'>): string => formatForward({ ...forward, guestPort: 0 });
  return text(one) === text(other);
}

/** The adapter, where one is named, and the rule. */
function target(rest: string, machine: VirtualMachine): { id: string | undefined; rule: string } {
  const words = rest.split(/\s+/).filter(Boolean);
  const [id, rule = ''] = words.length > 1 ? words : [undefined, words[0]];
  if (id !== undefined && !machine.networks.list().some((one) => one.id === id)) throw new MonitorError(`unrecognized netdev id '${id}'`);
  return { id, rule };
}
