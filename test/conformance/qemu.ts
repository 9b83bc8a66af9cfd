import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the oracle has and lacks beside RV64GC, to be the machine that the generator writes for. */
const CPU = 'rv64,zba=on,zbb=on,zbs=on,zbc=off,h=off,v=off';
const MEBIBYTE = 2 ** 20;

/**
 * Runs an image from the start of RAM in M-mode on qemu-system-riscv64's virt board until it ends through the test finisher;
 * returns what is then in RAM, as much as the image is long. RAM is a file that both share. `aia`: virt's option of that name.
 */
export function runInQemu(image: Uint8Array, aia = 'none'): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), 'hartbox-conformance-'));
  try {
    const file = join(directory, 'ram');
    // QEMU puts its device tree near the end of RAM.
    const megabytes = Math.ceil(image.length / MEBIBYTE) + 8;
    const handle = openSync(file, 'w');
    writeSync(handle, image);
    closeSync(handle);
    truncateSync(file, megabytes * MEBIBYTE);
    const size = `${megabytes}M`;
    const options = `-M virt,aia=${aia},memory-backend=ram -cpu ${CPU} -smp 2 -m ${size} -bios none -display none -serial none -monitor none`;
    const run = spawnSync(
      'qemu-system-riscv64',
      [...options.split(' '), '-object', `memory-backend-file,id=ram,size=${size},mem-path=${file},share=on`],
      { encoding: 'utf8', timeout: 60_000 },
    );
    if (run.status !== 0) throw new Error(`qemu-system-riscv64 did not finish: ${run.stderr || (run.signal ?? run.status)}`);
    return readFileSync(file).subarray(0, image.length);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
