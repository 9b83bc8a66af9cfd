import { Properties } from '../properties';
import { QemuError } from '../qemu-error';

/** Where bytes of a serial line go to and come from. Paths are as they were given. */
export type LineSpec = { isMux: boolean } & (
  | { kind: 'null' }
  | { kind: 'stdio'; hasSignals: boolean }
  | { kind: 'file'; path: string; input: string | undefined; append: boolean }
  | { kind: 'pipe'; path: string }
  | { kind: 'socket'; address: SocketAddress; isServer: boolean; waits: boolean }
);
export type SocketAddress = { path: string } | { host: string; port: number };

/** Kinds that QEMU has and this has not, and what to do. */
const MISSING: Readonly<Record<string, string>> = {
  pty: 'there are no pseudo-terminals here: use unix:PATH,server=on,wait=off and, say, socat to it',
  vc: 'there are no windows here: use stdio, file:PATH or a socket',
  gtk: 'there are no windows here: use stdio, file:PATH or a socket',
  udp: 'there is no UDP here: use tcp:HOST:PORT or unix:PATH',
  telnet: 'there is no telnet protocol here: use tcp:HOST:PORT, and nc to it',
  websocket: 'there are no web sockets here: use tcp:HOST:PORT',
  tty: "the host's serial ports cannot be used: use stdio, a file, a pipe or a socket",
  serial: "the host's serial ports cannot be used: use stdio, a file, a pipe or a socket",
  parallel: "the host's parallel ports cannot be used",
  parport: "the host's parallel ports cannot be used",
  msmouse: 'there is no such mouse here',
  wctablet: 'there is no such tablet here',
  braille: 'there is no such display here',
  ringbuf: 'there is no ring buffer here: use file:PATH',
  memory: 'there is no ring buffer here: use file:PATH',
  spicevmc: 'there is no SPICE here',
  spiceport: 'there is no SPICE here',
  testdev: 'there is no such device here',
  hub: 'there is no hub here: lines have one end each',
  'qemu-vdagent': 'there is no such agent here',
  dbus: 'there is no D-Bus here: use a socket',
};

/** The lines of `-chardev` by their ids, and those that other options write out. */
export class LineSpecs {
  private readonly byId = new Map<string, LineSpec>();

  constructor(chardevs: readonly Properties[]) {
    for (const properties of chardevs) {
      const id = properties.take('id');
      if (id === undefined) throw properties.wrong("Parameter 'id' is missing");
      if (this.byId.has(id)) throw properties.wrong(`Duplicate ID '${id}' for chardev`);
      this.byId.set(id, lineOf(properties));
    }
  }

  get(id: string, where: string): LineSpec {
    const spec = this.byId.get(id);
    if (!spec) throw new QemuError(where, `Chardev '${id}' not found; name it with -chardev KIND,id=${id}`);
    return spec;
  }

  get ids(): [string, LineSpec][] {
    return [...this.byId];
  }

  /** What `-serial` and `-monitor` take: `stdio`, `mon:stdio`, `file:PATH`, `chardev:ID`; undefined for `none`. */
  parse(option: string, text: string): LineSpec | undefined {
    const where = `${option} ${text}`;
    if (text === 'none') return undefined;
    if (text.startsWith('mon:')) {
      const line = this.parse(option, text.slice(4));
      if (!line) throw new QemuError(where, 'there is nothing to share: name a line after mon:');
      line.isMux = true;
      if (line.kind === 'stdio') line.hasSignals = false;
      return line;
    }
    if (text.startsWith('chardev:')) return this.get(text.slice(8), where);
    const [head, ...flags] = text.split(',');
    const [, kind = '', rest] = /^([^:]*)(?::(.*))?$/s.exec(head) ?? [];
    if (kind === 'null' && rest === undefined) return { kind: 'null', isMux: false };
    if (kind === 'stdio' && rest === undefined) return { kind: 'stdio', hasSignals: true, isMux: false };
    if ((kind === 'file' || kind === 'pipe') && rest !== undefined) {
      const path = text.slice(5);
      if (path === '') throw new QemuError(where, `${kind}: expects a path`);
      if (kind === 'pipe') return { kind, path, isMux: false };
      return { kind, path, input: undefined, append: false, isMux: false };
    }
    if ((kind === 'tcp' || kind === 'unix') && rest !== undefined) {
      const [host = '', port = ''] = /^(.*):([^:]*)$/.exec(rest)?.slice(1) ?? [];
      const address = kind === 'unix' ? `path=${rest}` : `host=${host},port=${port}`;
      const properties = Properties.of(option, [address, ...flags.map((flag) => flag.replace(/^nowait$/, 'wait=off'))].join(','));
      return socketOf(new Named(properties, where));
    }
    if (text.startsWith('/dev/') || /^COM\d/.test(text)) throw new QemuError(where, MISSING['tty']);
    if (Object.hasOwn(MISSING, kind)) throw new QemuError(where, MISSING[kind]);
    throw new QemuError(
      where,
      `'${text}' is no line: it can be stdio, mon:stdio, file:PATH, pipe:PATH, tcp:…, unix:…, chardev:ID, null or none`,
    );
  }
}

/** Properties whose errors name another text than their own. */
class Named {
  constructor(
    readonly properties: Properties,
    private readonly where: string,
  ) {}

  wrong(message: string): QemuError {
    return new QemuError(this.where, message);
  }
}

function lineOf(properties: Properties): LineSpec {
  const kind = properties.take('backend', 'driver') ?? '';
  const isMux = properties.takeSwitch('mux') ?? false;
  if (properties.take('logfile') !== undefined) throw properties.wrong('there are no log files of lines here: use file:PATH, or tee');
  properties.ignore('logappend');
  const line = kindOf(kind, properties);
  properties.end('the line');
  return { ...line, isMux };
}

function kindOf(kind: string, properties: Properties): LineSpec {
  const isMux = false;
  switch (kind) {
    case 'null':
      return { kind, isMux };
    case 'stdio':
      return { kind, hasSignals: properties.takeSwitch('signal') ?? true, isMux };
    case 'file':
    case 'pipe': {
      const path = properties.take('path');
      if (path === undefined || path === '') throw properties.wrong(`${kind} expects path=PATH`);
      if (kind === 'pipe') return { kind, path, isMux };
      return { kind, path, input: properties.take('input-path'), append: properties.takeSwitch('append') ?? false, isMux };
    }
    case 'socket':
      return socketOf(new Named(properties, properties.where));
    default:
      throw properties.wrong(MISSING[kind] ?? `'${kind}' is no line: it can be stdio, file, pipe, socket or null`);
  }
}

function socketOf(named: Named): LineSpec {
  const { properties } = named;
  for (const kind of ['telnet', 'websocket', 'tls-creds', 'fd']) {
    const value = properties.take(kind);
    if (value !== undefined && value !== 'off') throw named.wrong(MISSING[kind] ?? `there is no ${kind} here: use a plain socket`);
  }
  properties.ignore('nodelay', 'delay', 'ipv4', 'ipv6', 'tight', 'abstract', 'reconnect', 'reconnect-ms', 'tls-authz', 'to');
  const isServer = properties.takeSwitch('server') ?? false;
  const waits = (properties.takeSwitch('wait') ?? true) && isServer;
  const path = properties.take('path');
  const [host, port] = [properties.take('host'), properties.take('port')];
  properties.end('the line');
  if (path !== undefined) {
    if (path === '') throw named.wrong('unix: expects a path');
    return { kind: 'socket', address: { path }, isServer, waits, isMux: false };
  }
  const number = Number(port ?? 'none');
  if (!Number.isInteger(number) || number < 0 || number > 65535 || port === '')
    throw named.wrong('expects HOST:PORT, with a port from 0 to 65535');
  return { kind: 'socket', address: { host: host || (isServer ? '0.0.0.0' : 'localhost'), port: number }, isServer, waits, isMux: false };
}
