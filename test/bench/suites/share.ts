import { randomFillSync } from 'node:crypto';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compileProgram, initrdWith } from '../guest-program';
import type { BenchSuite, Measurement } from '../measurement';
import { PROMPT } from '../prompt';

/** MiB of the file that is read and written, and requests to it at random places. */
const FILE_MIB = 64;
const REQUESTS = 3000;
/** Folders, and files in each of them. */
const FOLDERS = 20;
const FILES = 25;
const FILE_BYTES = 2000;

/** By what Hartbox shares the folder; QEMU has 9P alone, which is the measure for both. */
const PROTOCOLS = ['9p', 'virtio-fs'] as const;
type Protocol = (typeof PROTOCOLS)[number];

/** As the built-in guest mounts them itself. */
const MOUNTS: Record<Protocol, string> = {
  '9p': 'mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=mmap',
  'virtio-fs': 'mount -t virtiofs',
};

interface Workload {
  name: string;
  unit: Measurement['unit'];
  /** What the guest does, in the shared folder. */
  command: string;
  /** What it did before, untimed. */
  before?: string;
  /** Of so many seconds. */
  value: (seconds: number) => number;
}

const COLD = 'sync; echo 3 > /proc/sys/vm/drop_caches';
const megabytes = (seconds: number): number => (FILE_MIB * 2 ** 20) / 1e6 / seconds;
const perSecond = (seconds: number): number => REQUESTS / seconds;
const itself = (seconds: number): number => seconds;

const WORKLOADS: readonly Workload[] = [
  { name: 'sequential read', unit: 'MB/s', before: COLD, command: 'dd if=large of=/dev/null bs=1M 2>/dev/null', value: megabytes },
  {
    name: 'sequential write',
    unit: 'MB/s',
    before: 'rm -f new; sync',
    command: `dd if=/dev/zero of=new bs=1M count=${FILE_MIB} conv=fsync 2>/dev/null`,
    value: megabytes,
  },
  { name: 'random read of 4 KiB', unit: 'IOPS', before: COLD, command: `/bench/share read large ${REQUESTS}`, value: perSecond },
  { name: 'random write of 4 KiB', unit: 'IOPS', before: COLD, command: `/bench/share write new ${REQUESTS}`, value: perSecond },
  { name: 'find, first', unit: 's', before: COLD, command: 'find tree -type f -size +100k', value: itself },
  {
    name: 'find, three times more',
    unit: 's',
    command: 'for i in 1 2 3; do find tree -type f -size +100k; done',
    value: itself,
  },
  { name: 'tar c', unit: 's', before: COLD, command: 'tar c -f /tmp/tree.tar tree', value: itself },
  { name: 'tar x', unit: 's', before: 'rm -rf out; mkdir out', command: 'tar x -f /tmp/tree.tar -C out', value: itself },
  { name: 'cp -r', unit: 's', before: COLD, command: 'cp -r tree out/copy', value: itself },
  { name: 'rm -r', unit: 's', before: COLD, command: 'rm -r out', value: itself },
];

const rowOf = (protocol: Protocol, { name, unit }: Workload): Measurement => ({ name: `${protocol}, ${name}`, kind: 'share', unit });

let initrd = '';
let folders: Record<Protocol, string>;

async function fill(folder: string): Promise<void> {
  await mkdir(join(folder, 'tree'), { recursive: true });
  const block = new Uint8Array(2 ** 20);
  const large = await open(join(folder, 'large'), 'w');
  for (let at = 0; at < FILE_MIB; at++) await large.write(randomFillSync(block));
  await large.close();
  for (let at = 0; at < FOLDERS; at++) {
    await mkdir(join(folder, 'tree', `${at}`));
    for (let file = 0; file < FILES; file++) await writeFile(join(folder, 'tree', `${at}`, `file-${file}`), block.subarray(0, FILE_BYTES));
  }
}

export const share: BenchSuite = {
  description:
    "a folder of this computer in the default guest, by 9P and by virtio-fs, to QEMU's 9P: large files, random places, many small files",
  measurements: PROTOCOLS.flatMap((protocol) => WORKLOADS.map((workload) => rowOf(protocol, workload))),
  async prepare({ guest, folder }) {
    initrd = await initrdWith(guest, folder, 'share', await compileProgram(folder, 'share'));
    folders = { '9p': join(folder, '9p'), 'virtio-fs': join(folder, 'virtio-fs') };
    for (const protocol of PROTOCOLS) await fill(folders[protocol]);
  },

  async run({ guest, chosen, record, say }, peer) {
    // One after the other, in a machine of its own: what one has in its caches is no burden to the other.
    for (const protocol of peer.protocols) {
      const rows = (workload: Workload): Measurement[] =>
        (peer.protocols.length > 1 ? [protocol] : PROTOCOLS).map((one) => rowOf(one, workload)).filter(chosen);
      if (!WORKLOADS.some((workload) => rows(workload).length > 0)) continue;
      await rm(join(folders[protocol], 'new'), { force: true });
      await rm(join(folders[protocol], 'out'), { force: true, recursive: true });
      const session = peer.start({ ...guest, initrd, shares: [{ folder: folders[protocol], tag: 'bench', protocol }] });
      try {
        await session.expect(PROMPT, 120);
        session.send(`mkdir -p /mnt/bench && ${MOUNTS[protocol]} bench /mnt/bench && cd /mnt/bench && echo moun""ted`);
        await session.expect(/mounted/, 60);
        await session.expect(PROMPT, 20);
        // All of them, as each finds what those before have left.
        for (const workload of WORKLOADS) {
          session.send(`${workload.before ?? ':'}; echo be""gin; if ${workload.command}; then echo do""ne; else echo FAIL""ED; fi`);
          await session.expect(/begin\n/, 120);
          const begin = performance.now();
          const [printed] = await session.expect(/done\n|FAILED\n/, 300);
          const seconds = (performance.now() - begin) / 1000;
          if (printed === 'FAILED\n') throw new Error(`${workload.name} failed on ${peer.name}`);
          say(`  ${protocol}, ${workload.name}: ${workload.value(seconds).toFixed(2)} ${workload.unit}`);
          for (const row of rows(workload)) record(peer, row, workload.value(seconds));
          await session.expect(PROMPT, 20);
        }
      } finally {
        await session.stop();
      }
    }
  },
};
