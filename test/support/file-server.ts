import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Answers one request in place of the file. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => void;

/** An HTTP server on this machine that serves files from memory, with ranges, and misbehaves when told to. */
export interface FileServer {
  url: string;
  /** By path, with a leading slash. */
  files: Map<string, Uint8Array>;
  /** What to do instead, for as many requests as there are entries, in order; undefined: serve the file. */
  faults: (Fault | undefined)[];
  /** Requests so far: `PATH` or `PATH bytes=…`. */
  requests: string[];
  close: () => Promise<void>;
}

export async function startFileServer(): Promise<FileServer> {
  const files = new Map<string, Uint8Array>();
  const faults: (Fault | undefined)[] = [];
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '');
    const range = request.headers.range;
    requests.push(range ? `${path} ${range}` : path);
    const fault = faults.shift();
    if (fault) return fault(request, response);
    const data = files.get(path);
    if (!data) return void response.writeHead(404).end();
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    if (range && from >= data.length) return void response.writeHead(416).end();
    response.writeHead(range ? 206 : 200, {
      'content-length': data.length - from,
      ...(range ? { 'content-range': `bytes ${from}-${data.length - 1}/${data.length}` } : {}),
    });
    response.end(data.subarray(from));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files,
    faults,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Promises `data`, sends `length` bytes of it and cuts the connection. */
export function cutAfter(data: Uint8Array, length: number): Fault {
  return (_request, response) => {
    response.writeHead(200, { 'content-length': data.length });
    response.write(data.subarray(0, length), () => setTimeout(() => response.destroy(), 100));
  };
}

/** Begins to answer and then says nothing more. */
export function fallSilent(data: Uint8Array): Fault {
  return (_request, response) => {
    response.writeHead(200, { 'content-length': data.length });
    response.write(data.subarray(0, 1));
  };
}

/** Promises `data` and sends a byte of it every so many milliseconds. */
export function trickle(data: Uint8Array, pause: number): Fault {
  return (_request, response) => {
    response.writeHead(200, { 'content-length': data.length });
    let sent = 0;
    const timer = setInterval(() => response.write(data.subarray(sent, ++sent)), pause);
    response.on('close', () => clearInterval(timer));
  };
}
