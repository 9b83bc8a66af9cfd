import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { writeCpio } from '../../../engine/images/cpio';
import type { BenchSuite } from '../measurement';
import { type Peer, startPeer } from '../peers';
import { PROMPT } from '../prompt';

const SOURCE = fileURLToPath(new URL('../programs/cpu.c', import.meta.url));

/** What is shown, and how it is started in the guest. Each prints its seconds and a checksum. */
const WORKLOADS: [name: string, command: string][] = [
  ['integer, CoreMark-like', '/bench/cpu integer'],
  ['records and strings, Dhrystone-like', '/bench/cpu records'],
  ['sha256', '/bench/cpu sha256'],
  ['qsort', '/bench/cpu qsort'],
  ['switch interpreter', '/bench/cpu switch'],
  ['pointer chasing, 4 MiB', '/bench/cpu chase'],
  ['double matrix', '/bench/cpu matrix'],
  ['memory set and copy', '/bench/cpu memory'],
  ['system calls', '/bench/cpu syscall'],
  ['fork and wait', '/bench/cpu fork'],
  ['busybox: shell loop', `/bench/cpu run sh -c 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done'`],
  ['busybox: gzip 1.3 MB', `/bench/cpu run sh -c 'seq 200000 | gzip > /dev/null'`],
  ['busybox: awk', `/bench/cpu run awk 'BEGIN { for (i = 0; i < 250000; i++) s += i % 7; exit s % 2 }'`],
  ['busybox: start 100 programs', `/bench/cpu run sh -c 'i=0; while [ $i -lt 100 ]; do /bin/busybox true; i=$((i+1)); done'`],
];

/** The initramfs with the programs in it. */
let initrd = '';
const checksums = new Map<string, { peer: Peer; sum: string }>();

export const cpu: BenchSuite = {
  description: 'programs inside the guest, timed by its own clock',
  async prepare({ guest, folder }) {
    const program = join(folder, 'cpu');
    await promisify(execFile)('riscv64-linux-gnu-gcc', ['-O2', '-static', '-march=rv64gc', '-o', program, SOURCE]);
    const extra = writeCpio([
      { type: 'directory', path: 'bench' },
      { type: 'file', path: 'bench/cpu', mode: 0o755, data: await readFile(program) },
    ]);
    initrd = join(folder, 'initrd.cpio');
    await writeFile(initrd, Buffer.concat([await readFile(guest.initrd), extra]));
  },

  async run({ guest, record, say }, peer) {
    const session = startPeer(peer, { ...guest, initrd });
    try {
      await session.expect(PROMPT, 120);
      for (const [name, command] of WORKLOADS) {
        say(`${peer}: ${name}`);
        session.send(command);
        const [, seconds, sum] = await session.expect(/\nRESULT ([\d.]+) (\d+)\n/, 180);
        record(peer, name, 's', Number(seconds));
        const known = checksums.get(name);
        if (known && known.sum !== sum)
          throw new Error(`${name} gave ${sum} on ${peer}, but ${known.sum} on ${known.peer}: one of them computes wrongly.`);
        checksums.set(name, { peer, sum });
        await session.expect(PROMPT, 20);
      }
    } finally {
      await session.stop();
    }
  },
};
