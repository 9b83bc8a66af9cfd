import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeCore } from './core-dump';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-core-'));
afterAll(() => rmSync(folder, { recursive: true }));

const hasGdb = spawnSync('gdb-multiarch', ['--version']).status === 0;

describe.runIf(hasGdb)('a core', () => {
  it('is one to GDB: harts as threads, memory by physical and virtual addresses', { timeout: 30_000 }, async () => {
    const path = join(folder, 'core');
    const bytes = new Uint8Array(new SharedArrayBuffer(8 << 20));
    bytes.set(Buffer.from('Linux version\0'), 0x5008);
    bytes.set(Buffer.from('the end\0'), bytes.length - 8);
    const hart = (number: number) => ({
      pc: 0xffff_ffff_8000_0000n + BigInt(number),
      x: BigUint64Array.from({ length: 32 }, (_, at) => BigInt(1000 * number + at)),
    });
    const file = await open(path, 'w');
    await writeCore(file, {
      harts: [hart(1), hart(2)],
      memory: [{ base: 0x8000_0000, bytes }],
      mappings: [
        { virtual: 0xffff_ffff_8000_0000n, physical: 0x8000_5000n, bytes: 4096n, flags: 0xf },
        // A device's registers, which are no memory.
        { virtual: 0xffff_ffff_9000_0000n, physical: 0x1000_0000n, bytes: 4096n, flags: 0xf },
      ],
    });
    await file.close();
    const commands = ['x/s 0x80005008', 'x/s 0xffffffff80000008', 'x/s 0x807ffff8', 'x/gx 0x80400000', 'x/gx 0xffffffff90000000'];
    const registers = ['thread 2', 'p/x $pc', 'p/x $ra', 'p/x $t6', 'thread 1', 'p/x $sp'];
    const { stdout, stderr } = spawnSync(
      'gdb-multiarch',
      [
        '-nx',
        '-batch',
        '-ex',
        'set architecture riscv:rv64',
        '-ex',
        `core-file ${path}`,
        ...[...commands, ...registers].flatMap((one) => ['-ex', one]),
      ],
      { encoding: 'utf8' },
    );
    for (const line of [
      '0x80005008:\t"Linux version"',
      '0xffffffff80000008:\t"Linux version"',
      '0x807ffff8:\t"the end"',
      '0x80400000:\t0x0000000000000000',
    ])
      expect(stdout).toContain(line);
    expect(stderr).toMatch(/Cannot access memory at address 0xffffffff90000000/);
    expect(stdout).toMatch(/\$1 = 0xffffffff80000002\n\$2 = 0x7d1\n\$3 = 0x7ef\n[\s\S]*\$4 = 0x3ea\n/);
    // What is zero takes no space.
    expect(statSync(path).blocks * 512).toBeLessThan(2 << 20);
  });
});
