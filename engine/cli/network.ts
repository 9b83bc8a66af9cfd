import { VmError } from '../errors/vm-error';
import type { Result } from '../runner/control';
import { formatSize } from '../settings/text';
import { NETWORK_DOWN, NETWORK_LINE, NETWORK_LIST, NETWORK_UP } from './commands/network';
import type { Command } from './command';
import { nothingMore, parseBoxCommand, runningBox } from './running-box';
import { formatTable } from './table';
import { UsageError } from './usage-error';

type AdapterInfo = Result<'networks'>['adapters'][number];

/** `hartbox network list`: the network adapters of a box that runs, and what went through them. */
export async function networkList(args: string[]): Promise<number> {
  const { name, values, rest } = parseBoxCommand(NETWORK_LIST, args);
  nothingMore('network', rest);
  const { client } = await runningBox(name);
  try {
    const { adapters, capture } = await client.call('networks', {});
    process.stdout.write(values.json ? `${JSON.stringify(adapters, null, 2)}\n` : table(adapters));
    if (capture && !values.json) process.stdout.write(`Captured to ${capture.file}: ${capture.frames} packets so far.\n`);
  } finally {
    client.close();
  }
  return 0;
}

/** `hartbox network up` and `down`: put the cable of an adapter in, or pull it out, until the box is switched off. */
export function networkLink(up: boolean): (args: string[]) => Promise<number> {
  return async (args) => {
    const { name, rest } = parseBoxCommand((up ? NETWORK_UP : NETWORK_DOWN) as Command, args);
    const [wanted, ...more] = rest;
    nothingMore('network', more);
    const { id: box, client } = await runningBox(name);
    try {
      await client.call('network-link', { id: wanted ?? (await theOne(client.call('networks', {}), box)), up });
    } finally {
      client.close();
    }
    return 0;
  };
}

/** `hartbox network line`: what the line of an adapter does to packets. */
export async function networkLine(args: string[]): Promise<number> {
  const { name, values, rest } = parseBoxCommand(NETWORK_LINE, args);
  const [wanted, ...more] = rest;
  nothingMore('network', more);
  const given = Object.entries(LINE_LIMITS).flatMap(([key, most]) => {
    const text = values[key as keyof typeof LINE_LIMITS];
    if (text === undefined) return [];
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(number <= most)) throw new UsageError(`--${key} expects a whole number from 0 to ${most}, not '${text}'.`, 'network');
    return [[key, number === 0 ? undefined : number] as const];
  });
  const { id: box, client } = await runningBox(name);
  try {
    const asked = client.call('networks', {});
    const id = wanted ?? (await theOne(asked, box));
    const line = (await asked).adapters.find((one) => one.id === id)?.line ?? {};
    if (given.length === 0) process.stdout.write(`${lineText(line)}\n`);
    else await client.call('network-line', { ...line, ...Object.fromEntries(given), id });
  } finally {
    client.close();
  }
  return 0;
}

/** What a line may do at most; as in the settings. */
const LINE_LIMITS = { rate: 100_000_000, delay: 60_000, loss: 100 };

function lineText({ rate, delay, loss }: AdapterInfo['line']): string {
  const parts = [
    ...(rate === undefined ? [] : [`${rate} kbit/s`]),
    ...(delay ? [`${delay} ms each way`] : []),
    ...(loss ? [`${loss} % lost`] : []),
  ];
  return parts.join(', ') || 'as fast as it can be';
}

/** Where there is one adapter, nobody need name it. */
async function theOne(asked: Promise<Result<'networks'>>, box: string): Promise<string> {
  const { adapters } = await asked;
  if (adapters.length === 1) return adapters[0].id;
  if (adapters.length === 0) throw new VmError('State', `The box ${box} has no network adapter.`, { code: 'no-adapter', params: { box } });
  throw new UsageError(`Which adapter? The box has ${adapters.map(({ id }) => id).join(', ')}.`, 'network');
}

function table(adapters: readonly AdapterInfo[]): string {
  if (adapters.length === 0) return 'No network adapters.\n';
  const amount = (frames: number, bytes: number): string => `${frames} (${sizeOf(bytes)})`;
  return formatTable([
    ['ID', 'CONNECTED TO', 'MAC', 'ADDRESS', 'LINK', 'SENT', 'RECEIVED', 'DROPPED'],
    ...adapters.map(({ id, mac, addresses, connection, cable, up, statistics: one }) => [
      id,
      connection,
      mac,
      addresses[0] ?? '-',
      up ? 'up' : cable ? 'down: nobody there' : 'down',
      amount(one.framesFromGuest, one.bytesFromGuest),
      amount(one.framesToGuest, one.bytesToGuest),
      `${one.droppedFromGuest + one.droppedToGuest + one.backend.droppedFromGuest + one.backend.droppedToGuest}`,
    ]),
  ]);
}

export function sizeOf(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return formatSize(bytes < 2 ** 20 ? Math.floor(bytes / 1024) * 1024 : Math.floor(bytes / 2 ** 20) * 2 ** 20);
}
