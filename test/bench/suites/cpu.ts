import { readFile } from 'node:fs/promises';
import { type DebianMachine, prepareDebian, startDebian } from '../debian';
import type { ConsoleSession } from '../console-session';
import { compileProgram, initrdWith } from '../guest-program';
import type { BenchContext, BenchSuite, Kind, Measurement, Unit } from '../measurement';
import type { Peer } from '../peers';
import { PROMPT } from '../prompt';

const PROGRAMS = new URL('../programs/', import.meta.url);
const DEBIAN_PROMPT = /root@debian:\S*# /;

/** What is measured, and how it is started in the guest. Each prints its value and a checksum. */
interface Workload extends Measurement {
  command: string;
}

const program = (name: string, kind: Kind, workload: string): Workload => ({ name, kind, unit: 's', command: `/bench/cpu ${workload}` });
const fromDebian = (name: string, kind: Kind, workload: string, unit: Unit = 's'): Workload => ({
  name,
  kind,
  unit,
  command: `/bench/debian.sh ${workload}`,
});

/** In the default guest. */
const WORKLOADS: Workload[] = [
  program('integer, CoreMark-like', 'integer', 'integer'),
  program('records and strings, Dhrystone-like', 'integer', 'records'),
  program('strings', 'integer', 'strings'),
  program('sha256', 'integer', 'sha256'),
  program('qsort', 'integer', 'qsort'),
  program('switch interpreter', 'integer', 'switch'),
  program('pointer chasing, 4 MiB', 'integer', 'chase'),
  program('busybox: shell loop', 'integer', `run sh -c 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done'`),
  program('busybox: gzip 1.3 MB', 'integer', `run sh -c 'seq 200000 | gzip > /dev/null'`),
  program('busybox: awk', 'integer', `run awk 'BEGIN { for (i = 0; i < 250000; i++) s += i % 7; exit s % 2 }'`),
  program('calls', 'calls', 'calls'),
  program('calls through pointers', 'calls', 'pointers'),
  program('virtual calls', 'calls', 'virtual'),
  program('add and multiply: double matrix', 'float', 'matrix'),
  program('add and multiply: Mandelbrot', 'float', 'mandelbrot'),
  program('add and multiply: single filter', 'float', 'filter'),
  program('fused multiply-add', 'float', 'fused'),
  program('divide and square root: bodies', 'float', 'bodies'),
  program('memory set and copy', 'memory', 'memory'),
  program('system calls', 'kernel', 'syscall'),
  program('context switches: pipes', 'kernel', 'pipe'),
  program('context switches: threads that yield', 'kernel', 'yield'),
  program('page faults', 'kernel', 'faults'),
  program('page faults: copy on write', 'kernel', 'copies'),
  program('fork and wait', 'kernel', 'fork'),
  program('fork and exec', 'kernel', 'exec'),
  program('busybox: start 100 programs', 'kernel', `run sh -c 'i=0; while [ $i -lt 100 ]; do /bin/busybox true; i=$((i+1)); done'`),
];

/** On the Debian disk. The first has to be the first. */
const DEBIAN_WORKLOADS: Workload[] = [
  fromDebian('gcc -O2, the first time after boot', 'cold', 'gcc'),
  fromDebian('gcc -O2, again', 'integer', 'gcc-warm'),
  fromDebian('7-Zip: its benchmark', 'integer', '7z', 'MIPS'),
  fromDebian('7-Zip: xz of 0.7 MB', 'integer', 'xz'),
  fromDebian('Python: dictionaries, strings, JSON', 'integer', 'python-objects'),
  fromDebian('Python: loops', 'integer', 'python-numbers'),
  fromDebian('openssl speed sha256', 'integer', 'sha256', 'MB/s'),
  fromDebian('openssl speed aes-128-cbc', 'integer', 'aes-128-cbc', 'MB/s'),
  fromDebian('openssl speed chacha20', 'integer', 'chacha20', 'MB/s'),
];

/** The default guest's initramfs with the programs in it, and Debian with them on its disk. */
let initrd = '';
let debian: DebianMachine | undefined;
const checksums = new Map<string, { peer: Peer; sum: string }>();

export const cpu: BenchSuite = {
  description: "programs inside the default guest, timed by its own clock, and Debian's programs",
  measurements: [...WORKLOADS, ...DEBIAN_WORKLOADS],
  async prepare(context) {
    // Contraction would fuse the additions and multiplications that are measured apart.
    const data = await compileProgram(context.folder, 'cpu', ['-ffp-contract=off', '-pthread'], ['-lm']);
    initrd = await initrdWith(context.guest, context.folder, 'cpu', data);
    if (!DEBIAN_WORKLOADS.some(context.chosen)) return;
    const names = ['cpu.c', 'debian.sh', 'loops.py'];
    const sources = await Promise.all(names.map(async (name) => [name, await readFile(new URL(name, PROGRAMS))] as const));
    debian = await prepareDebian(context, { cpu: data, ...Object.fromEntries(sources) });
  },

  async run(context, peer) {
    const [inDefaultGuest, inDebian] = [WORKLOADS, DEBIAN_WORKLOADS].map((all) => all.filter(context.chosen));
    if (inDefaultGuest.length > 0) {
      const session = peer.start({ ...context.guest, initrd });
      try {
        await session.expect(PROMPT, 120);
        await measure(inDefaultGuest, session, PROMPT, context, peer);
      } finally {
        await session.stop();
      }
    }
    if (debian && inDebian.length > 0) {
      const { session } = await startDebian(debian, context, peer);
      try {
        session.send('root');
        await session.expect(DEBIAN_PROMPT, 120);
        await measure(inDebian, session, DEBIAN_PROMPT, context, peer);
      } finally {
        await session.stop();
      }
    }
  },
};

async function measure(workloads: Workload[], session: ConsoleSession, prompt: RegExp, { record, say, cpuTime }: BenchContext, peer: Peer) {
  for (const workload of workloads) {
    const { name, command } = workload;
    say(`${peer.name}: ${name}`);
    const before = session.cpuSeconds;
    session.send(command);
    const [printed, value, sum] = await session.expect(new RegExp(`\\nRESULT ([\\d.]+) (\\d+)\\n|${prompt.source}`), 300);
    if (value === undefined) throw new Error(`${name} printed no result on ${peer.name}: ${command} ended with ${printed}`);
    record(peer, workload, cpuTime && workload.unit === 's' ? session.cpuSeconds - before : Number(value));
    const known = checksums.get(name);
    if (known && known.sum !== sum)
      throw new Error(`${name} gave ${sum} on ${peer.name}, but ${known.sum} on ${known.peer.name}: one of them computes wrongly.`);
    checksums.set(name, { peer, sum });
    await session.expect(prompt, 20);
  }
}
