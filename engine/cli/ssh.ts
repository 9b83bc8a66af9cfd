import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { isAbsolute, join } from 'node:path';
import { VmError } from '../errors/vm-error';
import { dataDirectory } from '../host/data-directory';
import { ENDING_SIGNALS } from '../host/ending-signals';
import { Library } from '../runner/library';
import { COPY, SSH } from './commands/network';
import { exitCodeOfSignal } from './exit-codes';
import { parseArguments } from './option-parser';
import { runningBox } from './running-box';
import { UsageError } from './usage-error';

/** How long a server may take to say who it is, in milliseconds: one that has slept may have to be read from disk. */
const GREETING_MS = 20_000;
const LOOPBACK = '127.0.0.1';

/** Whom to ask for: `root@Debian`; without a name whom the box's setting says. */
interface Account {
  user?: string;
  box: string;
}

/** `hartbox ssh`: the system's own ssh, to a box that runs. Returns what that ends with. */
export async function ssh(args: string[]): Promise<number> {
  const { values, names } = parseArguments(SSH, args);
  const [to, ...command] = names;
  if (to === undefined) throw new UsageError('Which box? Name one of those that hartbox list shows.', 'ssh');
  const { user, box } = accountOf(to);
  const { port, options, usual } = await reach(box, guestPort('ssh', values.port), values);
  return handOver('ssh', [...options, '-p', `${port}`, '-l', user ?? usual, LOOPBACK, ...command]);
}

/** `hartbox cp`: the system's own scp, to and from a box that runs. */
export async function copy(args: string[]): Promise<number> {
  const { values, names } = parseArguments(COPY, args);
  if (names.length < 2) throw new UsageError('From where to where? For example: hartbox cp notes.txt root@Debian:/root/', 'cp');
  const places = names.map(placeOf);
  const remote = places.flatMap(({ account }) => (account ? [account] : []));
  const [first] = remote;
  if (!first) throw new UsageError(`One side has to be in a box, as BOX:PATH; ${names.join(' and ')} are files of this computer.`, 'cp');
  const other = remote.find(({ box }) => box !== first.box);
  if (other)
    throw new UsageError(`Files go between this computer and one box, not from ${first.box} to ${other.box}: take two steps.`, 'cp');
  const { port, options, usual } = await reach(first.box, guestPort('cp', values.port), values);
  // What scp takes for the name of a host is none with a slash before the colon.
  const local = (path: string): string => (isAbsolute(path) || path.startsWith('.') ? path : `./${path}`);
  const paths = places.map(({ account, path }) => (account ? `${account.user ?? usual}@${LOOPBACK}:${path}` : local(path)));
  return handOver('scp', [
    ...options,
    ...(values.recursive ? ['-r'] : []),
    ...(values.legacy ? ['-O'] : []),
    '-P',
    `${port}`,
    '--',
    ...paths,
  ]);
}

/** `BOX` or `USER@BOX`. */
export function accountOf(text: string): Account {
  const [, user, box = text] = /^([^@]+)@(.+)$/s.exec(text) ?? [];
  return { ...(user !== undefined && { user }), box };
}

/** `BOX:PATH`, `USER@BOX:PATH`, or a path of this computer: one with a slash before the colon, or a letter alone, as Windows names disks. */
export function placeOf(text: string): { path: string; account?: Account } {
  const [, account, path] = /^([^:/\\]{2,}):(.*)$/s.exec(text) ?? [];
  return account === undefined ? { path: text } : { path, account: accountOf(account) };
}

function guestPort(command: string, text = '22'): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65535) return port;
  throw new UsageError(`--port expects a number from 1 to 65535, not '${text}'.`, command);
}

/**
 * A port of this computer behind which the guest's server answers, the options by which ssh and scp know it, and whom the box's setting
 * names. Throws VmError.
 */
async function reach(
  box: string,
  guest: number,
  { option: more = [], identity }: { option?: readonly string[]; identity?: string },
): Promise<{ port: number; options: string[]; usual: string }> {
  const { id, client } = await runningBox(box);
  let port: number;
  try {
    const { forwards } = await client.call('network-forwards', {});
    const known = forwards.find(
      (one) => one.protocol === 'tcp' && one.guestPort === guest && [LOOPBACK, '0.0.0.0'].includes(one.hostAddress),
    );
    // It stays until the box is switched off, for the next time.
    port =
      known?.hostPort ??
      (await client.call('network-forward', { protocol: 'tcp', hostAddress: LOOPBACK, hostPort: 0, guestPort: guest })).hostPort;
  } finally {
    client.close();
  }
  await greeting(port, id, guest);
  const library = new Library(dataDirectory());
  const keys = join(library.folder(id), 'known_hosts');
  const { values } = await library.settings(id);
  const settings = [
    // A box is who it is by its folder, whatever port it has today. Quoted, as names of folders may have spaces; % begins a variable.
    `UserKnownHostsFile="${keys.replaceAll('%', '%%')}"`,
    'GlobalKnownHostsFile=none',
    'HostKeyAlias=hartbox',
    'CheckHostIP=no',
    'HashKnownHosts=no',
    // Nobody stands between: the way is within this computer.
    'StrictHostKeyChecking=accept-new',
  ];
  // The first that says something of a thing counts.
  const options = [...more, ...settings].flatMap((setting) => ['-o', setting]);
  return { port, options: identity === undefined ? options : ['-i', identity, ...options], usual: values.sshUser };
}

/** Wait until a server says that it speaks SSH: ssh itself would only say that a connection was closed. Throws VmError 'Guest'. */
export function greeting(port: number, box: string, guest: number, patience = GREETING_MS): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, LOOPBACK);
    let said = '';
    const end = (error?: VmError): void => {
      clearTimeout(timer);
      socket.destroy();
      if (error) reject(error);
      else resolve();
    };
    const fail = (what: string): void =>
      end(
        new VmError(
          'Guest',
          `${what} at port ${guest} of the box ${box}. An SSH server has to run in it (on Debian: apt install openssh-server); where it listens at another port, give that with --port.`,
          { code: 'ssh-no-server', params: { box, port: guest } },
        ),
      );
    const timer = setTimeout(() => fail('No SSH server answers'), patience);
    socket.on('data', (bytes) => {
      said += bytes.toString('latin1');
      // RFC 4253 §4.2: a server may say other lines before.
      if (/^SSH-/m.test(said)) end();
      else if (said.length > 8192) fail('What answers is no SSH server');
    });
    socket.on('error', () => fail('Nobody listens'));
    socket.on('close', () => fail(said === '' ? 'Nobody listens' : 'What answers is no SSH server'));
  });
}

/** Let another program have this terminal. Resolves with what it ends with. Throws VmError 'Resource' where it is not there. */
function handOver(program: 'ssh' | 'scp', args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit' });
    // The terminal tells it of Ctrl-C by itself; what others send goes to it.
    const pass = (signal: NodeJS.Signals): void => void (signal !== 'SIGINT' && child.kill(signal));
    for (const signal of ENDING_SIGNALS) process.on(signal, pass);
    const done = (): void => {
      for (const signal of ENDING_SIGNALS) process.off(signal, pass);
    };
    child.on('error', (cause: NodeJS.ErrnoException) => {
      done();
      const why = cause.code === 'ENOENT' ? 'is not installed, or not on the PATH' : `could not be started (${cause.message})`;
      reject(new VmError('Resource', `The program ${program} ${why}. It comes with OpenSSH, whose client every system has.`, { cause }));
    });
    child.on('exit', (code, signal) => {
      done();
      resolve(code ?? exitCodeOfSignal(ENDING_SIGNALS.find((one) => one === signal) ?? 'SIGTERM'));
    });
  });
}
