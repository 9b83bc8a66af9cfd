import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileCalls } from '../../engine/host/file-calls';
import { buses } from '../support/buses';
import { compileForGuest } from '../support/guest-compiler';
import { GuestShell } from '../support/guest-shell';

const MiB = 2 ** 20;
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

const places = [
  ...buses('mmio').map((bus) => ({ protocol: '9p', bus }) as const),
  ...buses('pci').map((bus) => ({ protocol: 'virtio-fs', bus }) as const),
];

// Elsewhere there is a refusal, which has a unit test.
describe.skipIf(process.platform !== 'linux').each(places)('a folder shared by $protocol, on $bus', ({ protocol, bus }) => {
  /** By virtio-fs the guest believes for a second what it has seen. */
  const until = (condition: string): string => (protocol === '9p' ? '' : `until ${condition}; do sleep 0.1; done; `);
  let shell: GuestShell;
  let parent: string;
  let folder: string;
  const host = (...names: string[]): string => join(folder, ...names);

  beforeAll(async () => {
    parent = mkdtempSync(join(tmpdir(), 'hartbox-share-'));
    folder = join(parent, 'shared');
    for (const name of ['shared', 'fixed']) mkdirSync(join(parent, name));
    writeFileSync(join(parent, 'secret'), 'secret');
    writeFileSync(join(parent, 'fixed/kept'), 'kept');
    symlinkSync(join(parent, 'secret'), host('out'));
    shell = await GuestShell.boot({
      bus,
      shares: [
        { folder, mount: '/mnt/here', protocol },
        { folder: join(parent, 'fixed'), readonly: true, tag: 'fixed', protocol },
      ],
    });
    await shell.run('cd /mnt/here');
  });
  afterAll(async () => {
    await shell?.machine.stop();
    rmSync(parent, { recursive: true, force: true });
  });

  it('is mounted by itself, and files go both ways, byte for byte', async () => {
    const data = randomBytes(MiB + 321);
    writeFileSync(host('large'), data);
    const { output } = await shell.run('sha256sum < large; cp large copy && sync && cmp large copy && stat -c "%U %a %s" copy');
    expect(output).toBe(`${sha256(data)}  -\nroot 644 ${data.length}\n`);
    expect(sha256(readFileSync(host('copy')))).toBe(sha256(data));
  });

  it('shows what the host changes, by 9P at once', async () => {
    writeFileSync(host('news'), 'one');
    expect((await shell.run('cat news')).output).toBe('one');
    writeFileSync(host('news'), 'two, longer');
    expect((await shell.run(`${until('grep -q longer news')}cat news; stat -c " %s" news`)).output).toBe('two, longer 11\n');
    rmSync(host('news'));
    expect((await shell.run(`${until('[ ! -e news ]')}cat news`)).status).toBe(1);
    writeFileSync(host('news'), 'three');
    expect((await shell.run(`${until('[ -e news ]')}cat news`)).output).toBe('three');
    rmSync(host('news'));
  });

  it('has folders, names, links and modes as a file system has', async () => {
    const { output, status } = await shell.run(
      'mkdir -p a/b c && echo x > a/b/f && mv a/b/f c/g && mv a c/a && ln c/g c/h && ln -s ../nowhere c/l && chmod 640 c/g && ' +
        'touch -d "2001-02-03 04:05:06" c/h && stat -c "%h %a %Y" c/g && readlink c/l && find c | sort | tr "\\n" " "',
    );
    expect({ output, status }).toEqual({ output: '2 640 981173106\n../nowhere\nc c/a c/a/b c/g c/h c/l ', status: 0 });
    expect(readFileSync(host('c/h'), 'utf8')).toBe('x\n');
    expect(readlinkSync(host('c/l'))).toBe('../nowhere');
    expect(statSync(host('c/g')).mode & 0o7777).toBe(0o640);
    expect((await shell.run('rmdir c 2>/dev/null || rm -r c; ls c 2>&1 | grep -c "No such"')).output).toBe('1\n');
    expect(existsSync(host('c'))).toBe(false);
  });

  it('keeps a file that is open while its name goes', async () => {
    const { output } = await shell.run(
      'exec 5<> gone; echo first >&5; rm gone; echo second >&5; cat /proc/self/fd/5; ls gone 2>&1; exec 5>&-',
    );
    expect(output).toMatch(/^first\nsecond\nls: gone: No such file or directory\n$/);
  });

  it('is the memory of programs that map its files', async () => {
    const { output } = await shell.run(
      'cp /bin/busybox busybox && ./busybox echo mapped && ./busybox sha256sum busybox /bin/busybox | cut -c1-64 | uniq | wc -l',
    );
    expect(output).toBe('mapped\n1\n');
  });

  it('lists many entries, each once', async () => {
    mkdirSync(host('many'));
    for (let i = 0; i < 150; i++) writeFileSync(host('many', `entry-${i}`), '');
    expect((await shell.run('ls many | sort | uniq | wc -l; ls -a many | wc -l; rm -r many; ls many 2>/dev/null | wc -l')).output).toBe(
      '150\n152\n0\n',
    );
  });

  it("follows no link on the host: a link's target is the guest's", async () => {
    const { output } = await shell.run(`readlink out; cat out 2>&1`);
    expect(output).toBe(`${join(parent, 'secret')}\ncat: can't open 'out': No such file or directory\n`);
  });

  it('takes what is no regular file for its own', async () => {
    const { output } = await shell.run(
      'mkfifo pipe && (echo through > pipe & cat pipe); mknod null c 1 3 2>&1; df -T . | awk "END { print \\$1, \\$2 }"',
    );
    const made = fileCalls() ? 'through\n' : '';
    expect(output).toContain(`${made}mknod: null: Operation not permitted\nshare0 ${protocol === '9p' ? '9p' : 'virtiofs'}\n`);
  });

  it('is not changed where it is read-only', async () => {
    const { output } = await shell.run(
      'cd /mnt/fixed; mount -o remount,rw /mnt/fixed 2>/dev/null; cat kept; echo; echo x > kept; echo x > new; rm kept; mkdir m; chmod 777 kept; mv kept moved; echo *; cd /mnt/here',
    );
    expect(output.split('\n').filter((line) => line && !/Read-only file system|nonexistent/.test(line))).toEqual(['kept', 'kept']);
    expect(readFileSync(join(parent, 'fixed/kept'), 'utf8')).toBe('kept');
  });
});

describe.skipIf(process.platform !== 'linux')('a file of a shared folder', { timeout: 120_000 }, () => {
  /** Linux 6.12's 9P client loses what is written to mapped pages, on QEMU too. */
  const ways = [
    { name: '9P', share: { protocol: '9p' }, options: 'plain' },
    { name: 'virtio-fs', share: { protocol: 'virtio-fs' }, options: '' },
    { name: 'virtio-fs, written later,', share: { protocol: 'virtio-fs', writeback: true }, options: '' },
  ] as const;
  let shell: GuestShell;
  let parent: string;

  beforeAll(async () => {
    parent = mkdtempSync(join(tmpdir(), 'hartbox-share-'));
    const program = await compileForGuest(new URL('../support/file-exerciser.c', import.meta.url), join(parent, 'program'));
    const shares = ways.map(({ share }, at) => ({ folder: join(parent, `${at}`), mount: `/mnt/${at}`, ...share }));
    for (const { folder } of shares) {
      mkdirSync(folder);
      writeFileSync(join(folder, 'exerciser'), program, { mode: 0o755 });
    }
    shell = await GuestShell.boot({ shares });
  });
  afterAll(async () => {
    await shell?.machine.stop();
    rmSync(parent, { recursive: true, force: true });
  });

  it.each(ways.map((way, at) => ({ ...way, at })))('holds by $name what programs made of it, on both sides', async ({ options, at }) => {
    const { output } = await shell.run(
      `cd /mnt/${at}; cp exerciser /tmp/e; for seed in 1 2 3; do /tmp/e file 800 $seed ${options}; done; sync; sha256sum < file`,
    );
    expect(output).toMatch(/^(right \d+\n){3}/);
    expect(output).toContain(sha256(readFileSync(join(parent, `${at}`, 'file'))));
  });
});
