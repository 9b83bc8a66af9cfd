import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { endWithUs } from '../../resources/setup/child-processes.mjs';
import { findRunning } from '../../engine/runner/control-socket';
import type { ControlClient } from '../../engine/runner/control-client';
import { writeBareMetal } from '../support/bare-metal';
import { CLI, freshHome, hartbox } from '../support/hartbox-process';

/** The box under attack, in a data directory of its own. */
export const BOX = 'torture';
/** Its RAM, in bytes. */
export const BOX_MEMORY = 192 << 20;

const MiB = 1 << 20;
/**
 * What the process of a box may take beside the guest's RAM, whatever the guest does: the engine with its heap, code and console; for each
 * hart a thread with its heap, decoded pages and translated code. Stated in docs/security.md.
 */
const FIXED_BYTES = 256 * MiB;
const HART_BYTES = 64 * MiB;

/** Most memory, in bytes, that the process of a box may hold. */
export function memoryBound(harts: number, ram = BOX_MEMORY): number {
  return ram + FIXED_BYTES + harts * HART_BYTES;
}

/** HARTBOX_SLACK: so many times longer may all of it take, for many hours beside other work. */
export const SLACK = Number(process.env['HARTBOX_SLACK'] ?? 1);

/**
 * How long stop, pause, signal and time-out may take, in milliseconds: promised are 100, and a second with 16 harts on two cores, of a host
 * that does nothing else. Tests share theirs.
 */
export function patience(harts: number): number {
  return (harts > 4 ? 5000 : 2500) * SLACK;
}

/** A data directory in which there is the box; the caller removes it. */
export async function prepareBox(folder: string): Promise<string> {
  const home = freshHome(['engine']);
  const kernel = join(folder, 'waits.elf');
  writeBareMetal(kernel, (program) => program.wait());
  const { code, stderr } = await hartbox(['create', BOX, '--kernel', kernel, '--firmware', 'none', '--memory', `${BOX_MEMORY / MiB}M`], {
    env: { HARTBOX_HOME: home },
  });
  if (code !== 0) throw new Error(stderr);
  return home;
}

/** How an output of the process is read. */
export type Reader = 'fast' | 'slow' | 'none';
export type EndBy = 'timeout' | 'SIGINT' | 'SIGTERM' | 'stop';

export interface AttackOptions {
  /** Given to `hartbox run`. */
  args: string[];
  harts: number;
  /** What ends it, if the guest does not before. */
  end: EndBy;
  /** How long it storms before, in milliseconds. */
  storm: number;
  /** It is paused and resumed before its end. */
  pause?: boolean;
  stdout?: Reader;
  stderr?: Reader;
  home: string;
}

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Milliseconds that its process lived. */
  lived: number;
  /** Milliseconds from the request to its effect. */
  paused?: number;
  ended?: number;
  /** Most resident memory, in bytes; undefined where the host does not tell. */
  memory: number | undefined;
  /** The last of its standard error. */
  stderr: string;
  /** What went wrong, in words; empty if nothing did. */
  faults: string[];
}

/** Exit codes that a Node process ends with when it breaks, and Hartbox's own for failures. */
const BROKEN = new Set([1, 2, 125, 129, 132, 133, 134, 135, 136, 137, 138, 139]);
const EXIT_CODES: Record<EndBy, number> = { timeout: 124, SIGINT: 130, SIGTERM: 143, stop: 0 };
/** What no guest can make a sound engine say. */
const COMPLAINT =
  /^.*(Internal|internal error|A device failed|The machine failed|thread failed|TypeError|RangeError|ReferenceError|RuntimeError|FATAL|[Aa]ssert|[Uu]nhandled|node:).*$/m;
const TAIL = 64 << 10;
const KILLED = 30_000 * SLACK;

/** Run a guest that attacks, ask the engine for what it promises, and look whether it keeps it. */
export async function attack({
  args,
  harts,
  end,
  storm,
  pause = false,
  stdout = 'fast',
  stderr = 'fast',
  home,
}: AttackOptions): Promise<Outcome> {
  const limit = patience(harts);
  const start = performance.now();
  const timeout = end === 'timeout' ? ['--timeout', String(storm / 1000)] : [];
  const child = endWithUs(
    spawn(process.execPath, [CLI, 'run', BOX, '--harts', String(harts), ...timeout, ...args], {
      env: { ...process.env, HARTBOX_HOME: home, HARTBOX_DEBUG: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
  const exit = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.on('exit', (code, signal) => resolve({ code, signal }));
  });
  let isOver = false;
  void exit.then(() => {
    isOver = true;
  });
  const errors: Buffer[] = [];
  const readers = [consume(child.stdout, stdout, undefined), consume(child.stderr, stderr, errors)];
  let memory: number | undefined;
  const look = (): void => {
    memory = peakMemory(child.pid) ?? memory;
  };
  const watch = setInterval(look, 50);
  const faults: string[] = [];
  const outcome: Outcome = { code: null, signal: null, lived: 0, memory: undefined, stderr: '', faults };
  let client: ControlClient | undefined;
  try {
    client = await connected(home, () => isOver);
    const began = performance.now();
    if (client && (pause || end === 'stop')) {
      await Promise.race([exit, delay(storm / (pause ? 2 : 1))]);
      if (pause && !isOver) {
        const paused = await timed(client.call('pause', {}), exit, limit);
        if (typeof paused === 'number') {
          outcome.paused = paused;
          await Promise.race([exit, client.call('resume', {}).catch(() => undefined), delay(limit)]);
        } else if (paused === 'late') faults.push(`it was not paused within ${limit} ms`);
      }
    }
    if (end !== 'timeout') await Promise.race([exit, delay(Math.max(0, storm - (performance.now() - began)))]);
    const asked = end === 'timeout' ? began + storm : performance.now();
    if (!isOver) {
      if (end === 'SIGINT' || end === 'SIGTERM') child.kill(end);
      // A box is off when its clients hear of it; its process then waits for who reads its output, as any other does.
      const off = new Promise<void>((resolve) => client?.on('closed', resolve));
      if (end === 'stop') client?.call('force-off', {}).catch(() => undefined);
      await Promise.race([exit, ...(end === 'stop' ? [off] : []), delay(Math.max(0, asked - performance.now()) + limit)]);
      look();
      if (isOver || (end === 'stop' && client?.isClosed)) outcome.ended = Math.max(0, performance.now() - asked);
      else faults.push(`it did not end within ${limit} ms after ${end}`);
      if (end === 'stop') for (const read of readers) await read();
      await Promise.race([exit, delay(3000 * SLACK)]);
      if (!isOver) {
        faults.push('its process did not end');
        child.kill('SIGKILL');
      }
    }
  } finally {
    clearInterval(watch);
    client?.close();
    setTimeout(() => child.kill('SIGKILL'), KILLED).unref();
    const { code, signal } = await exit;
    for (const read of readers) await read();
    Object.assign(outcome, {
      code,
      signal,
      memory,
      lived: performance.now() - start,
      stderr: Buffer.concat(errors).toString().slice(-TAIL),
    });
  }
  const complaint = COMPLAINT.exec(outcome.stderr);
  if (complaint) faults.push(`it said: ${complaint[0]}`);
  if (outcome.signal) faults.push(`it was ended by ${outcome.signal}`);
  else if (outcome.code !== EXIT_CODES[end] && BROKEN.has(outcome.code ?? 1)) faults.push(`its exit code was ${outcome.code}`);
  const most = memoryBound(harts);
  if (memory !== undefined && memory > most) faults.push(`it took ${Math.round(memory / MiB)} MiB, and may take ${most / MiB}`);
  return outcome;
}

/** Milliseconds that something took; what came instead of it. */
async function timed(work: Promise<unknown>, exit: Promise<unknown>, limit: number): Promise<number | 'late' | 'over'> {
  const start = performance.now();
  return Promise.race([
    work.then(
      () => performance.now() - start,
      () => 'over' as const,
    ),
    exit.then(() => 'over' as const),
    delay(limit).then(() => 'late' as const),
  ]);
}

/** Once it runs; undefined if it ended before. */
async function connected(home: string, isOver: () => boolean): Promise<ControlClient | undefined> {
  while (!isOver()) {
    const client = await findRunning(home, BOX).catch(() => undefined);
    if (client) {
      const until = performance.now() + 20_000 * SLACK;
      while (!isOver() && !client.isClosed && client.status?.state !== 'running' && performance.now() < until) await delay(5);
      return client;
    }
    await delay(20);
  }
  return undefined;
}

/** Returns what takes the rest, once the process is over. */
function consume(stream: Readable, reader: Reader, tail: Buffer[] | undefined): () => Promise<void> {
  let size = 0;
  const keep = (chunk: Buffer): void => {
    if (!tail) return;
    tail.push(chunk);
    size += chunk.length;
    while (size - tail[0].length > TAIL) size -= (tail.shift() as Buffer).length;
  };
  let timer: NodeJS.Timeout | undefined;
  if (reader === 'fast') stream.on('data', keep);
  else if (reader === 'slow') timer = setInterval(() => keep((stream.read(512) as Buffer | null) ?? Buffer.alloc(0)), 100);
  return async () => {
    clearInterval(timer);
    if (reader !== 'fast') stream.on('data', keep);
    if (!stream.closed) await Promise.race([new Promise((resolve) => stream.on('close', resolve)), delay(1000)]);
  };
}

/** Most memory that a process has held so far, in bytes; Linux only. */
function peakMemory(pid: number | undefined): number | undefined {
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  } catch {
    return undefined;
  }
}
