import { execFile } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { STORAGE_PROMPT, storageGuest } from '../../support/storage-guest';
import type { LinuxMachine } from '../../support/qemu-machine';
import type { BenchSuite, Measurement } from '../measurement';

/** Bytes of the disk that is read and written. All of it holds data, so that no format can save itself the work. */
const DISK_BYTES = 2 ** 28;
const SECONDS = 4;
const FORMATS = ['raw', 'qcow2'] as const;

type Format = (typeof FORMATS)[number];

interface Job extends Measurement {
  format: Format;
  options: string;
}

/** fio's own words for it; sequential in blocks of 128 KiB, random in blocks of 4 KiB. */
const jobs: Job[] = FORMATS.flatMap((format) => [
  ...(['read', 'write', 'randread', 'randwrite'] as const).flatMap((pattern) =>
    [1, 16].map((depth): Job => {
      const isRandom = pattern.startsWith('rand');
      const what = `${isRandom ? 'random' : 'sequential'} ${pattern.replace('rand', '')}`;
      return {
        name: `${format}, ${what}, depth ${depth}`,
        kind: 'disk',
        unit: isRandom ? 'IOPS' : 'MB/s',
        format,
        options: `--rw=${pattern} --bs=${isRandom ? '4k' : '128k'} --iodepth=${depth}`,
      };
    }),
  ),
  // What a data base does; the host's own flush decides.
  {
    name: `${format}, random write, each flushed`,
    kind: 'disk',
    unit: 'IOPS',
    format,
    options: '--rw=randwrite --bs=4k --iodepth=1 --fsync=1',
  },
]);

let machine: LinuxMachine & { data: { file: string; format: Format }[] };

export const disk: BenchSuite = {
  description:
    'fio on a virtio disk, past the page cache of the guest: sequential and random, depths 1 and 16, flushed writes, raw and qcow2',
  measurements: jobs,
  async prepare({ guest, folder, say, chosen }) {
    const raw = join(folder, 'data.raw');
    const file = await open(raw, 'w');
    const block = new Uint8Array(2 ** 20);
    for (let at = 0; at < DISK_BYTES; at += block.length) await file.write(randomFillSync(block));
    await file.sync();
    await file.close();
    const data = FORMATS.filter((format) => jobs.some((job) => job.format === format && chosen(job))).map((format) => ({
      file: join(folder, `data.${format}`),
      format,
    }));
    for (const { file: path, format } of data) {
      if (format !== 'raw') await promisify(execFile)('qemu-img', ['convert', '-f', 'raw', '-O', format, raw, path]);
    }
    machine = { ...(await storageGuest(guest, folder, say)), data };
  },
  async run({ chosen, record, say }, peer) {
    const session = peer.start(machine);
    try {
      const prompt = new RegExp(STORAGE_PROMPT);
      await session.expect(prompt, 300);
      for (const job of jobs.filter(chosen)) {
        const fixed = `--name=x --direct=1 --ioengine=libaio --time_based --ramp_time=1 --runtime=${SECONDS} --randseed=1`;
        const device = `/dev/vd${'bc'[machine.data.findIndex(({ format }) => format === job.format)]}`;
        session.send(`fio ${fixed} --filename=${device} ${job.options} --output-format=terse --terse-version=3`);
        // Semicolons between fields; bandwidth in KiB/s and IOPS are the 7th and 8th, and for writes the 48th and 49th.
        const [line] = await session.expect(/^3;[^\n]*;[^\n]*\n/m, 120);
        const fields = line.split(';');
        const at = job.options.includes('read') ? 6 : 47;
        const value = job.unit === 'IOPS' ? Number(fields[at + 1]) : (Number(fields[at]) * 1024) / 1e6;
        if (!(value > 0)) throw new Error(`fio measured nothing for ${job.name}: ${line}`);
        say(`  ${job.name}: ${value.toFixed(0)} ${job.unit}`);
        record(peer, job, value);
        await session.expect(prompt, 60);
      }
    } finally {
      await session.stop();
    }
  },
};
