import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { VmError } from '../../errors/vm-error';
import { type BootProgress, BootWatch } from './boot-watch';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-boot-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => {
  vi.useRealTimers();
});

function watching(file?: string, isSeen = false) {
  const seen: (BootProgress['stage'] | 'over')[] = [];
  const found: VmError[] = [];
  const watch: BootWatch = new BootWatch({
    onChange: () => seen.push(watch.progress?.stage ?? 'over'),
    onDiagnosis: (error) => found.push(error),
    isSeen: () => isSeen,
    file,
  });
  return { watch, seen, found };
}

const START = [
  '\nOpenSBI v1.6\n   ____\n',
  '[    0.000000] Linux version 6.12.0 (debian)\r\n',
  '[    3.1] Run /init as init process\r\n',
  '[    4.000000] systemd[1]: Inserted module\r\n',
  '\r\n\x1b[1mDebian GNU/Linux 13 debian hvc0\x1b[0m\r\n\r\ndebian login: ',
];

describe('BootWatch', () => {
  it('tells milestones as they come, however the text is cut', () => {
    const { watch, seen, found } = watching();
    for (const byte of bytes(START.join(''))) watch.feed(Uint8Array.of(byte));
    expect(seen).toEqual(['firmware', 'kernel', 'init', 'services', 'over']);
    expect(found).toEqual([]);
    // A user who reads a log of a boot in the guest starts nothing.
    watch.feed(bytes('[    0.000000] Linux version 6.12.0 (debian)\r\n'));
    expect(watch.progress).toBeUndefined();
  });

  it('sees the end of a start of which the kernel says nothing', () => {
    const { watch, seen } = watching();
    watch.feed(bytes(START[0]));
    watch.feed(bytes('\r\nWelcome to Hartbox.\r\n\x1b[1;32mroot@hartbox:~#\x1b[0m \x1b[6n'));
    expect(seen).toEqual(['firmware', 'over']);
  });

  it('learns how long a start takes, and says so at the next', async () => {
    const file = join(folder, 'boots', 'one.json');
    const first = watching(file);
    await first.watch.begin();
    for (const part of START) first.watch.feed(bytes(part));
    await expect.poll(() => readFile(file, 'utf8').catch(() => '')).toMatch(/^\{"seconds":\d/);
    const second = watching(file);
    await second.watch.begin();
    second.watch.feed(bytes(START[0]));
    expect(second.watch.progress).toMatchObject({ stage: 'firmware', expected: expect.any(Number) as number });
    second.watch.close();
  });

  it('begins anew when the guest does', () => {
    const { watch, seen } = watching();
    for (const part of [...START, '\r\n', ...START]) watch.feed(bytes(part));
    expect(seen).toEqual([...['firmware', 'kernel', 'init', 'services', 'over'], ...['firmware', 'kernel', 'init', 'services', 'over']]);
  });

  it('takes the prompt of a boot loader for no end', () => {
    const { watch, seen } = watching();
    watch.feed(bytes('OpenSBI v1.6\nU-Boot 2025.01 (Jan 1)\nHit any key to stop autoboot:  0 \n=> '));
    expect(seen).toEqual(['firmware', 'loader']);
    watch.close();
  });

  it('tells of silence behind the firmware, and not where there is a sign of life', () => {
    vi.useFakeTimers();
    const silent = watching();
    silent.watch.feed(bytes(START[0]));
    vi.advanceTimersByTime(29_000);
    silent.watch.feed(bytes('x'));
    vi.advanceTimersByTime(29_000);
    expect(silent.found).toEqual([]);
    vi.advanceTimersByTime(2000);
    expect(silent.found.map(({ code }) => code)).toEqual(['boot-silent']);
    expect(silent.watch.progress).toBeUndefined();

    const well = watching();
    well.watch.feed(bytes(START[0] + START[1]));
    vi.advanceTimersByTime(100_000);
    expect(well.found).toEqual([]);
    expect(well.watch.progress?.stage).toBe('kernel');
    well.watch.close();
  });

  it('takes the word of U-Boot that the kernel starts', () => {
    const { watch, seen } = watching();
    watch.feed(bytes('OpenSBI v1.6\nU-Boot 2025.01 (Jan 1)\nStarting kernel ...\n\n'));
    expect(seen).toEqual(['firmware', 'loader', 'kernel']);
    watch.close();
  });

  it('says since when a guest has been silent, until it speaks again or is up', () => {
    vi.useFakeTimers();
    const { watch, seen, found } = watching();
    watch.feed(bytes(START[0] + START[1]));
    const since = Date.now();
    vi.advanceTimersByTime(119_000);
    expect(watch.progress).not.toHaveProperty('silentSince');
    vi.advanceTimersByTime(1000);
    expect(watch.progress).toMatchObject({ stage: 'kernel', silentSince: since });
    vi.advanceTimersByTime(600_000);
    expect(watch.progress).toMatchObject({ stage: 'kernel', silentSince: since });
    watch.feed(bytes('[  720.0] random: crng init done\n'));
    expect(watch.progress).not.toHaveProperty('silentSince');
    watch.feed(bytes(START[4]));
    expect(seen.at(-1)).toBe('over');
    expect(found).toEqual([]);
  });

  it.each([
    ['speaks of something else', (watch: BootWatch) => watch.feed(bytes('tick\n')), false],
    ['waits in its boot loader', (watch: BootWatch) => watch.feed(bytes('U-Boot 2025.01 (Jan 1)\n=> ')), false],
    ['may be seen elsewhere', () => undefined, true],
  ])('waits no longer for a guest that %s', (_what, act, isSeen) => {
    vi.useFakeTimers();
    const { watch } = watching(undefined, isSeen);
    watch.feed(bytes('OpenSBI v1.6\nU-Boot SPL 2025.01 (Jan 1)\n'));
    vi.advanceTimersByTime(110_000);
    act(watch);
    vi.advanceTimersByTime(120_000);
    expect(watch.progress).toBeUndefined();
  });

  it('takes a guest whose program speaks by a port of its own for started, though its console is silent', () => {
    vi.useFakeTimers();
    const { watch, found } = watching();
    watch.programSpoke();
    watch.feed(bytes(START[0]));
    expect(watch.progress?.stage).toBe('firmware');
    watch.programSpoke();
    expect(watch.progress).toBeUndefined();
    vi.advanceTimersByTime(300_000);
    expect(found).toEqual([]);
  });

  it('grows by nothing that a guest writes', () => {
    const { watch } = watching();
    const block = new Uint8Array(1 << 16).fill(0x41);
    for (let i = 0; i < 200; i++) watch.feed(block);
    watch.feed(bytes('\n'));
    expect((watch as unknown as { lines: { last: string } }).lines.last).toBe('');
  });
});
