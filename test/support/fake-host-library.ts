import { closeSync, openSync, writeSync } from 'node:fs';
import type { NativeLibrary } from '../../engine/host/host-holes';

type Call = (...args: never[]) => unknown;

/** What the host's functions did. */
export interface FakeCalls {
  /** Ranges that became holes. */
  holes: { offset: number; length: number }[];
  /** Handles that are open. */
  handles: Set<number>;
}

interface FakeOptions {
  /** Asked before each hole whether the file system refuses it. */
  refuses?: () => boolean;
}

function library(functions: Record<string, { native: Call; variadic?: boolean }>): NativeLibrary {
  return {
    func(definition) {
      const [, name] = /(\w+)\(/.exec(definition) ?? [];
      const { native, variadic = false } = functions[name] ?? {};
      if (!native) throw new Error(`There is no function ${name}.`);
      if (variadic !== definition.includes('...')) throw new Error(`${name} is ${variadic ? '' : 'not '}variadic: ${definition}`);
      const result = (...args: unknown[]): unknown => native(...(args as never[]));
      // As in koffi: variadic functions cannot be called so.
      if (variadic) return result;
      return Object.assign(result, {
        async: (...args: unknown[]): void => {
          const done = args.pop() as (error: unknown, result: unknown) => void;
          setImmediate(() => done(null, native(...(args as never[]))));
        },
      });
    },
  };
}

const calls = (): FakeCalls => ({ holes: [], handles: new Set() });

function zero(done: FakeCalls, fd: number, offset: number, length: number): void {
  writeSync(fd, new Uint8Array(length), 0, length, offset);
  done.holes.push({ offset, length });
}

/** macOS: fcntl makes holes of whole blocks, and refuses others. */
export function fakeMac({ block = 4096, refuses = () => false }: FakeOptions & { block?: number } = {}): NativeLibrary & FakeCalls {
  const done = calls();
  const fcntl = (fd: number, command: number, type: string, [flags, offset, length]: number[]): number => {
    if (command !== 99 || type !== 'int64_t *' || flags !== 0) throw new Error(`fcntl(${fd}, ${command}, ${type}, ${flags})`);
    if (offset % block !== 0 || length % block !== 0 || length <= 0 || refuses()) return -1;
    zero(done, fd, offset, length);
    return 0;
  };
  return { ...library({ fcntl: { native: fcntl, variadic: true } }), ...done };
}

/** Linux: fallocate64 zeroes the edges too; a file system without holes refuses everywhere. */
export function fakeLinux({ refuses = () => false }: FakeOptions = {}): NativeLibrary & FakeCalls {
  const done = calls();
  const fallocate64 = (fd: number, mode: number, offset: number, length: number): number => {
    if (mode !== 3) throw new Error(`fallocate64(${fd}, ${mode})`);
    if (refuses()) return -1;
    if (offset < 2 ** 40) zero(done, fd, offset, length);
    return 0;
  };
  return { ...library({ fallocate64: { native: fallocate64 } }), ...done };
}

/** Windows: a file that was marked as sparse has ranges zeroed, whatever their edges. Handles are descriptors here. */
export function fakeWindows({
  refuses = () => false,
  canOpen = true,
  hasSparseFiles = true,
}: FakeOptions & { canOpen?: boolean; hasSparseFiles?: boolean } = {}): NativeLibrary & FakeCalls {
  const done = calls();
  const sparse = new Set<number>();
  const functions = {
    CreateFileW(path: string): number {
      if (!canOpen) return -1;
      const handle = openSync(path, 'r+');
      done.handles.add(handle);
      return handle;
    },
    DeviceIoControl(handle: number, code: number, input: number[] | null, bytes: number): number {
      if (!done.handles.has(handle) || bytes !== (input ? 16 : 0)) throw new Error(`DeviceIoControl(${handle}, ${code}, ${bytes} bytes)`);
      if (code === 0x900c4 && hasSparseFiles) {
        sparse.add(handle);
        return 1;
      }
      if (code !== 0x980c8 || !input || !sparse.has(handle) || refuses()) return 0;
      zero(done, handle, input[0], input[1] - input[0]);
      return 1;
    },
    CloseHandle(handle: number): number {
      done.handles.delete(handle);
      closeSync(handle);
      return 1;
    },
  };
  return { ...library(Object.fromEntries(Object.entries(functions).map(([name, native]) => [name, { native }]))), ...done };
}
