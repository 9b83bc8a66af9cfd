import { constants, createReadStream, existsSync, openSync, statSync } from 'node:fs';
import { connect as connectSocket, createServer, type Server, Socket } from 'node:net';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { VmError } from '../../../errors/vm-error';
import { openOutput, OutputStream } from '../../../host/output-file';
import { pacedWriter } from '../../../host/paced-writer';
import { readFrom } from '../../host-streams';
import type { LineSpec, SocketAddress } from './line-spec';
import type { Input, Output } from './mux';

/** The host's end of a line that is open. */
export interface OpenLine {
  output: Output;
  /** From now on what comes from outside goes there. */
  connect(input: Input): void;
  close(): void;
}

/** The terminal of this process, or what stands in its place. */
export interface StandardLine extends OpenLine {
  /** Ctrl-C ends the machine instead of reaching the guest. */
  hasSignals: boolean;
}

/** Throws VmError 'Resource'. `tell` gets what a person should know while this waits. */
export async function openLine(spec: LineSpec, standard: StandardLine, tell: (text: string) => void): Promise<OpenLine> {
  switch (spec.kind) {
    case 'null':
      return { output: () => undefined, connect: () => undefined, close: () => undefined };
    case 'stdio':
      standard.hasSignals = spec.hasSignals;
      return standard;
    case 'file': {
      const file = new OutputStream(await openOutput(spec.path, { append: spec.append }));
      file.on('error', (error) => tell(`${spec.path} cannot be written: ${error.message}`));
      return streamLine(pacedWriter(file), spec.input === undefined ? undefined : openInput(spec.input), () => void file.finish());
    }
    case 'pipe':
      return openPipes(spec.path);
    case 'socket':
      return spec.isServer ? serve(spec.address, spec.waits, tell) : dial(spec.address);
  }
}

async function opened<Result>(what: string, done: Promise<Result>): Promise<Result> {
  try {
    return await done;
  } catch (cause) {
    throw new VmError('Resource', `${what} cannot be opened: ${(cause as Error).message}.`, { cause });
  }
}

/** `drop`: ends the output. */
function streamLine(output: Output, input: Readable | undefined, drop: () => void): OpenLine {
  let stop = (): void => undefined;
  input?.on('error', () => undefined);
  return {
    output,
    connect: (to) => {
      if (input) stop = readFrom(input, to);
      to.opened?.();
    },
    close: () => {
      stop();
      input?.destroy();
      drop();
    },
  };
}

/** No thread waits for who writes to a pipe. */
function openInput(path: string): Readable {
  return statSync(path, { throwIfNoEntry: false })?.isFIFO() ? openPipe(path, 'in') : createReadStream(path);
}

/** For both ways, so that neither opening nor reading depends on somebody at the other end. */
function openPipe(path: string, way: 'in' | 'out'): Socket {
  return new Socket({ fd: openSync(path, constants.O_RDWR | constants.O_NONBLOCK), readable: way === 'in', writable: way === 'out' });
}

/** Two named pipes, PATH.in and PATH.out, or one for both ways. */
async function openPipes(path: string): Promise<OpenLine> {
  const one = (which: 'in' | 'out'): Socket => {
    const file = existsSync(`${path}.${which}`) ? `${path}.${which}` : path;
    if (!statSync(file, { throwIfNoEntry: false })?.isFIFO())
      throw new VmError('Resource', `${file} is no named pipe. Make it first: mkfifo ${path}.in ${path}.out`);
    return openPipe(file, which);
  };
  const [input, output] = await opened(path, Promise.resolve([one('in'), one('out')]));
  output.on('error', () => undefined);
  return streamLine(pacedWriter(output), input, () => output.destroy());
}

function text(address: SocketAddress): string {
  return 'path' in address ? address.path : `${address.host}:${address.port}`;
}

async function dial(address: SocketAddress): Promise<OpenLine> {
  const socket = connectSocket(address);
  await opened(text(address), once(socket, 'connect'));
  socket.on('error', () => undefined);
  return streamLine(pacedWriter(socket), socket, () => socket.destroy());
}

/** One client at a time; what is sent while there is none is lost. */
async function serve(address: SocketAddress, waits: boolean, tell: (text: string) => void): Promise<OpenLine> {
  let client: Socket | undefined;
  let input: Input | undefined;
  let write: Output | undefined;
  let stop = (): void => undefined;
  const server: Server = createServer((socket) => {
    if (client) {
      socket.destroy();
      return;
    }
    client = socket;
    write = pacedWriter(socket);
    socket
      .on('error', () => undefined)
      .on('close', () => {
        stop();
        client = undefined;
        write = undefined;
      });
    if (input) stop = readFrom(socket, input);
    input?.opened?.();
  });
  server.listen(address);
  await opened(text(address), once(server, 'listening'));
  const line: OpenLine = {
    output: (data) => write?.(data),
    connect: (to) => {
      input = to;
      if (client) {
        stop = readFrom(client, to);
        to.opened?.();
      }
    },
    close: () => {
      client?.destroy();
      server.close();
    },
  };
  if (waits) {
    tell(`waiting for connection on: ${text(address)}`);
    await once(server, 'connection');
  }
  return line;
}
