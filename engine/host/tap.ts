import { closeSync, openSync, readSync, writeSync, writevSync, constants as files } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import type koffi from 'koffi';
import { VmError } from '../errors/vm-error';
import { hostLibrary } from './host-library';

/** A network interface of the host whose other end is a program: Linux's tap (Documentation/networking/tuntap.rst). */
export interface TapInterface {
  /** A packet, with virtio_net_hdr (10 bytes) before the Ethernet frame, into `buffer`. Its bytes; 0: there is none now. Throws as Node's read does. */
  read(buffer: Uint8Array): number;
  /** A packet, made of the same. False: lost, because the interface is down or has no room. */
  write(pieces: readonly Uint8Array[]): boolean;
  /** Call back, once, when there is something to read. */
  whenReadable(call: () => void): void;
  /** Resolves when the host has it back. */
  close(): Promise<void>;
}

const PATH = '/dev/net/tun';
const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
/** What we take from the kernel: checksums still to be made, and large segments of TCP over IPv4 and IPv6 (TUN_F_CSUM, TSO4, TSO6). */
const OFFLOADS = 0x1 | 0x2 | 0x4;
/** struct ifreq: the name, NUL behind it, and a union of which flags are the first member. */
const NAME_BYTES = 16;
const REQUEST_BYTES = 40;
const POLLIN = 1;
const POLLFD_BYTES = 8;
/** So long a thread of the pool waits at a time, in ms: a process that ends waits for it. */
const WAIT_MS = 1000;
const NONBLOCK = 0o4000;

type NativeFunction = ((...args: unknown[]) => number) & { async(...args: unknown[]): void };

/**
 * Open the tap `name`, making one where the host lets us. Throws VmError 'Resource' where the host refuses it or has none.
 */
export function openTap(name: string): TapInterface {
  const library = process.platform === 'linux' ? hostLibrary() : undefined;
  if (process.platform !== 'linux')
    throw new VmError('Resource', 'Only Linux has tap interfaces: connect the adapter to something else, nat for one.', {
      code: 'tap-host',
    });
  if (!library)
    throw new VmError('Resource', 'Tap interfaces need the package koffi, which is missing: install it with npm, or use nat.', {
      code: 'tap-koffi',
    });
  const { errno } = createRequire(import.meta.url)('koffi') as typeof koffi;
  const ioctl = library.func('int ioctl(int fd, unsigned long request, uintptr_t argument)') as unknown as NativeFunction;
  const ioctlOf = library.func('ioctl', 'int', ['int', 'ulong', 'void *']) as unknown as NativeFunction;
  let fd: number;
  try {
    fd = openSync(PATH, files.O_RDWR | NONBLOCK);
  } catch (cause) {
    throw refused(name, (cause as NodeJS.ErrnoException).code ?? 'EIO', cause);
  }
  const request = Buffer.alloc(REQUEST_BYTES);
  request.write(name, 0, NAME_BYTES - 1, 'latin1');
  request.writeUInt16LE(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, NAME_BYTES);
  if (ioctlOf(fd, TUNSETIFF, request) < 0 || ioctl(fd, TUNSETOFFLOAD, OFFLOADS) < 0) {
    const number = errno();
    closeSync(fd);
    throw refused(name, Object.entries(constants.errno).find(([, one]) => one === number)?.[0] ?? String(number));
  }
  return new LinuxTap(fd, waiter());
}

/** Why the host does not lend the interface, and what to do. */
function refused(name: string, reason: string, cause?: unknown): VmError {
  switch (reason) {
    case 'EPERM':
    case 'EACCES':
      return new VmError(
        'Resource',
        `You may not use the tap interface ${name}. Let an administrator make it for you: ip tuntap add dev ${name} mode tap user YOU, and ip link set ${name} up.`,
        { cause, code: 'tap-forbidden', params: { name } },
      );
    case 'EBUSY':
      return new VmError('Resource', `The tap interface ${name} is in use already, by another box or program. Name another one.`, {
        cause,
        code: 'tap-busy',
        params: { name },
      });
    case 'EINVAL':
      return new VmError('Resource', `The interface ${name} is no tap that Hartbox can use: its kind, or its queues, are others.`, {
        cause,
        code: 'tap-kind',
        params: { name },
      });
    case 'ENOENT':
    case 'ENODEV':
    case 'ENXIO':
      return new VmError('Resource', `This Linux has no tap interfaces (${PATH} is missing): load its module with modprobe tun.`, {
        cause,
        code: 'tap-missing',
      });
    default:
      return new VmError('Resource', `The tap interface ${name} could not be opened (${reason}).`, {
        cause,
        code: 'tap-failed',
        params: { name, reason },
      });
  }
}

class LinuxTap implements TapInterface {
  private isOpen = true;

  constructor(
    private readonly fd: number,
    private readonly waiter: Waiter,
  ) {}

  read(buffer: Uint8Array): number {
    if (!this.isOpen) return 0;
    try {
      return readSync(this.fd, buffer);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // EIO: the interface is down, and nothing comes.
      if (code === 'EAGAIN' || code === 'EIO') return 0;
      throw error;
    }
  }

  write(pieces: readonly Uint8Array[]): boolean {
    if (!this.isOpen) return false;
    try {
      writevSync(this.fd, pieces);
      return true;
    } catch {
      return false;
    }
  }

  whenReadable(call: () => void): void {
    if (this.isOpen) this.waiter.wait(this.fd, call);
  }

  async close(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    await new Promise<void>((resolve) => this.waiter.forget(this.fd, resolve));
    closeSync(this.fd);
  }
}

let only: Waiter | undefined;

function waiter(): Waiter {
  only ??= new Waiter();
  return only;
}

/**
 * Waits for descriptors that Node's event loop does not know, by poll(2) on one thread of the pool for all of them. An eventfd wakes it when
 * there are others to wait for.
 */
class Waiter {
  private readonly poll: NativeFunction;
  private readonly bell: number;
  private readonly waiting = new Map<number, () => void>();
  private readonly closing: (() => void)[] = [];
  private isPolling = false;
  private readonly ring = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

  constructor() {
    const library = hostLibrary()!;
    this.poll = library.func('poll', 'int', ['void *', 'ulong', 'int']);
    this.bell = (library.func('int eventfd(unsigned int value, int flags)') as unknown as NativeFunction)(0, NONBLOCK);
  }

  wait(fd: number, call: () => void): void {
    this.waiting.set(fd, call);
    this.begin();
  }

  /** `closed` follows when nobody waits for it any more. */
  forget(fd: number, closed: () => void): void {
    this.waiting.delete(fd);
    if (!this.isPolling) closed();
    else {
      this.closing.push(closed);
      this.begin();
    }
  }

  private begin(): void {
    if (this.isPolling) writeSync(this.bell, this.ring);
    else if (this.waiting.size > 0) this.turn();
  }

  private turn(): void {
    this.isPolling = true;
    const fds = [this.bell, ...this.waiting.keys()];
    const list = Buffer.alloc(POLLFD_BYTES * fds.length);
    for (const [i, fd] of fds.entries()) {
      list.writeInt32LE(fd, POLLFD_BYTES * i);
      list.writeInt16LE(POLLIN, POLLFD_BYTES * i + 4);
    }
    this.poll.async(list, fds.length, WAIT_MS, () => {
      this.isPolling = false;
      if (list.readInt16LE(6)) readSync(this.bell, Buffer.alloc(8));
      for (const closed of this.closing.splice(0)) closed();
      for (const [i, fd] of fds.entries()) {
        if (i === 0 || !list.readInt16LE(POLLFD_BYTES * i + 6)) continue;
        const call = this.waiting.get(fd);
        this.waiting.delete(fd);
        call?.();
      }
      if (!this.isPolling) this.begin();
    });
  }
}
