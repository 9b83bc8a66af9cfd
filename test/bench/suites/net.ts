import { createSocket } from 'node:dgram';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { compileProgram, initrdWith } from '../guest-program';
import type { BenchSuite, Measurement } from '../measurement';
import { PROMPT } from '../prompt';

/** What the guest calls this computer, in QEMU's user network as in ours. */
const HOST = '10.0.2.2';

/** What is measured, the server that it needs, and how it is started in the guest. */
interface Workload extends Measurement {
  server: keyof typeof SERVERS | 'datagrams';
  command: string;
  /** The same of CPU time for each GB. */
  perGigabyte?: Measurement;
}

const transfer = (direction: 'up' | 'down', streams: number): Workload => {
  const name = `TCP ${direction === 'up' ? 'from' : 'to'} the guest, ${streams} stream${streams === 1 ? '' : 's'}`;
  return {
    ...{ name, kind: 'net', unit: 'MB/s', server: direction === 'up' ? 'sink' : 'source', command: `${direction} ${streams}` },
    perGigabyte: { name: `CPU for each GB: ${name}`, kind: 'net', unit: 's' },
  };
};
const WORKLOADS: readonly Workload[] = [
  ...[1, 8].flatMap((streams) => [transfer('down', streams), transfer('up', streams)]),
  { name: 'UDP there and back', kind: 'net', unit: 'packets/s', server: 'datagrams', command: 'udp 32' },
  { name: '1000 round trips by TCP', kind: 'net', unit: 's', server: 'echo', command: 'echo 1000' },
  { name: '200 connections', kind: 'net', unit: 's', server: 'echo', command: 'connect 200' },
  // What runs once its code is translated.
  { name: '5000 more round trips', kind: 'net', unit: 's', server: 'echo', command: 'echo 5000' },
  { name: '2000 more connections', kind: 'net', unit: 's', server: 'echo', command: 'connect 2000' },
];

const BLOCK = new Uint8Array(1 << 18);
const SERVERS = {
  sink: (socket: Socket) => void socket.resume().on('end', () => socket.end()),
  echo: (socket: Socket) => void socket.setNoDelay().pipe(socket),
  source: (socket: Socket) => {
    const more = (): void => {
      while (!socket.destroyed && socket.write(BLOCK)) {}
    };
    socket.on('drain', more);
    more();
  },
};

let initrd = '';
let ports: Record<Workload['server'], number>;

async function listen(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    // Guests are switched off in the middle of it.
    socket.on('error', () => socket.destroy());
    serve(socket);
  });
  server.unref();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

async function echoDatagrams(): Promise<number> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 }).unref();
  socket.on('message', (bytes, { address, port }) => socket.send(bytes, port, address));
  await new Promise<void>((resolve) => {
    socket.bind(0, '127.0.0.1', resolve);
  });
  return socket.address().port;
}

export const net: BenchSuite = {
  description: "the network of the default guest, by NAT and by QEMU's user network, to servers of this computer",
  measurements: WORKLOADS.flatMap(({ perGigabyte, ...workload }) => [workload, ...(perGigabyte ? [perGigabyte] : [])]),
  async prepare({ guest, folder }) {
    initrd = await initrdWith(guest, folder, 'net', await compileProgram(folder, 'net'));
    const { sink, source, echo } = SERVERS;
    ports = { sink: await listen(sink), source: await listen(source), echo: await listen(echo), datagrams: await echoDatagrams() };
  },

  async run({ guest, chosen, record, say }, peer) {
    const session = peer.start({ ...guest, initrd, network: true });
    try {
      await session.expect(PROMPT, 120);
      session.send('until ip route show default | grep -q default; do sleep 1; done; echo on""line');
      await session.expect(/online/, 60);
      for (const workload of WORKLOADS) {
        const { name, server, command, perGigabyte } = workload;
        if (!chosen(workload) && !(perGigabyte && chosen(perGigabyte))) continue;
        say(`${peer.name}: ${name}`);
        const before = session.cpuSeconds;
        session.send(`/bench/net ${HOST} ${ports[server]} ${command} || echo FAILED`);
        const [printed, value, amount] = await session.expect(/\nRESULT ([\d.]+) (\d+)\n|\nFAILED\n/, 120);
        if (value === undefined) throw new Error(`${name} failed on ${peer.name}: ${printed}`);
        if (chosen(workload)) record(peer, workload, Number(value));
        if (perGigabyte && chosen(perGigabyte)) record(peer, perGigabyte, (session.cpuSeconds - before) / (Number(amount) / 1e9));
        await session.expect(PROMPT, 20);
      }
    } finally {
      await session.stop();
    }
  },
};
