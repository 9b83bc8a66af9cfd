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

interface Job extends Measurement {
  device: string;
  options: string;
}

/** fio's own words for it; sequential in blocks of 128 KiB, random in blocks of 4 KiB. */
const jobs: Job[] = FORMATS.flatMap((format, i) =>
  (['read', 'write', 'randread', 'randwrite'] as const).flatMap((pattern) =>
    [1, 16].map((depth): Job => {
      const isRandom = pattern.startsWith('rand');
      const what = `${isRandom ? 'random' : 'sequential'} ${pattern.replace('rand', '')}`;
      return {
        name: `${format}, ${what}, depth ${depth}`,
        kind: 'disk',
        unit: isRandom ? 'IOPS' : 'MB/s',
        device: `/dev/vd${'bc'[i]}`,
        options: `--rw=${pattern} --bs=${isRandom ? '4k' : '128k'} --iodepth=${depth}`,
      };
    }),
  ),
);

let machine: LinuxMachine;

export const disk: BenchSuite = {
  description: 'fio on a virtio disk, past the page cache of the guest: sequential and random, depths 1 and 16, raw and qcow2',
  measurements: jobs,
  async prepare({ guest, folder, say }) {
    const [raw, qcow2] = FORMATS.map((format) => join(folder, `data.${format}`));
    const file = await open(raw, 'w');
    const block = new Uint8Array(2 ** 20);
    for (let at = 0; at < DISK_BYTES; at += block.length) await file.write(randomFillSync(block));
    await file.sync();
    await file.close();
    await promisify(execFile)('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, qcow2]);
    const data = [raw, qcow2].map((path, i) => ({ file: path, format: FORMATS[i] }));
    machine = { ...(await storageGuest(guest, folder, say)), data };
  },
  async run({ chosen, record, say }, peer) {
    const session = peer.start(machine);
    try {
      const prompt = new RegExp(STORAGE_PROMPT);
      await session.expect(prompt, 300);
      for (const job of jobs.filter(chosen)) {
        const fixed = `--name=x --direct=1 --ioengine=libaio --time_based --ramp_time=1 --runtime=${SECONDS} --randseed=1`;
        session.send(`fio ${fixed} --filename=${job.device} ${job.options} --output-format=terse --terse-version=3`);
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
