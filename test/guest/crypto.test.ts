import { createCipheriv, createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { writeCpio } from '../../engine/images/cpio';
import { buses } from '../support/buses';
import { compileForGuest } from '../support/guest-compiler';
import { GuestShell } from '../support/guest-shell';

/** The algorithms of Linux's driver, by its names for them. */
const ALGORITHMS = ['virtio_crypto_aes_cbc', 'virtio-crypto-rsa', 'virtio-pkcs1-rsa'];

const folder = mkdtempSync(join(tmpdir(), 'hartbox-crypto-'));
let program: Uint8Array;
let shell: GuestShell;
beforeAll(async () => {
  program = await compileForGuest(new URL('../support/crypto-user.c', import.meta.url), join(folder, 'crypto-user'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => shell?.machine.stop());

describe('the crypto device', { timeout: 300_000 }, () => {
  it.each(buses('mmio'))("passes the kernel's self-tests, and encrypts for programs, on %s", async (bus) => {
    const extraInitrd = writeCpio([{ type: 'file', path: 'bin/crypto-user', mode: 0o755, data: program }]);
    shell = await GuestShell.boot({ crypto: true, bus, balloon: false }, { extraInitrd });
    // The built-in guest leaves the tests out. They run when an algorithm is registered.
    const { output } = await shell.run(
      'rmmod virtio_crypto && echo N > /sys/module/cryptomgr/parameters/notests && modprobe virtio_crypto; cat /proc/crypto',
    );
    const blocks = output.split('\n\n').filter((block) => block.includes('virtio'));
    for (const name of ALGORITHMS) {
      const block = blocks.find((one) => one.includes(`: ${name}\n`));
      expect(block, name).toMatch(/selftest\s*: passed/);
      expect(block, name).toMatch(/priority\s*: 150/);
    }
    const [key, iv, piece] = [16, 16, 48].map((bytes, i) => createHash('sha512').update(`${i}`).digest().subarray(0, bytes));
    const arguments_ = [key, iv, piece].map((bytes) => bytes.toString('hex')).join(' ');
    const run = await shell.run(`crypto-user virtio_crypto_aes_cbc ${arguments_} 20`);
    const cipher = createCipheriv('aes-128-cbc', key, iv).setAutoPadding(false);
    const text = Buffer.concat(new Array<Buffer>(20).fill(piece));
    expect(run).toMatchObject({ status: 0, output: `${cipher.update(text).toString('hex')}\nsame\n` });
    // What asks for the cipher by its own name gets the device too: of the drivers of the kernel this one has the highest priority.
    expect((await shell.run(`crypto-user 'cbc(aes)' ${arguments_} 1`)).output).toMatch(/same/);
    expect((await shell.run('dmesg | grep -i -E "alg: .*(fail|error)|virtio_crypto.*(fail|error)"')).output).toBe('');
  });
});
