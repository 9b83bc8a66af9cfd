import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { HartStatistics, MachineStatistics } from '../../engine';
import { endWithUs } from '../../resources/setup/child-processes.mjs';
import { Assembler, Label } from '../support/assembler';
import { buildElf } from '../support/elf-builder';
import { freshHome, hartbox, killHartboxes, startHartbox } from '../support/hartbox-process';
import { bType, iType, jType, sType, uType } from '../support/riscv-encoding';

let folder: string;
let home: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-cli-'));
  home = freshHome();
});
afterEach(killHartboxes);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(home, { recursive: true, force: true });
});

/** One clear line, or a few: never a stack trace. */
function expectPlainError(stderr: string, message: RegExp): void {
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^hartbox: /);
  expect(stderr).not.toMatch(/\n\s+at |Error:|internal error/);
}

/** A program that writes `word` to tohost, then loops. */
function tohostProgram(word: number): string {
  const code = new Uint8Array(16);
  const view = new DataView(code.buffer);
  const instructions = [
    0x0000_1317, // auipc t1, 1
    0x0000_0293 | (word << 20), // li t0, word
    0x0053_3023, // sd t0, (t1)
    0x0000_006f, // j .
  ];
  for (const [i, instruction] of instructions.entries()) view.setUint32(4 * i, instruction, true);
  const file = join(folder, `tohost-${word}.elf`);
  const parts = [
    { address: 0x8000_0000, bytes: code },
    { address: 0x8000_1000, bytes: new Uint8Array(8) },
  ];
  writeFileSync(file, buildElf({ entry: 0x8000_0000, parts, symbols: { tohost: 0x8000_1000 } }));
  return file;
}

describe('hartbox exec', () => {
  it('prints the output of a command alone', async () => {
    expect(await hartbox(['exec', '--', 'uname', '-m'])).toMatchObject({ code: 0, stdout: 'riscv64\n', stderr: '' });
  });

  it('gives it a terminal where that is asked for, with its keys', async () => {
    const script = 'tty; test -t 0 && test -t 2 && read line && echo "heard $line" >&2; exit 5';
    const { code, stdout, stderr } = await hartbox(['exec', '-t', '--', 'sh', '-c', script], { input: Buffer.from('a word\n') });
    expect([code, stderr]).toEqual([5, '']);
    // What is typed is echoed when it comes, and that may be before the command has begun.
    expect(stdout.split('\r\n').sort()).toEqual(['', '/dev/hvc0', 'a word', 'heard a word']);
    const { code: ended } = await hartbox(['exec', '-t', '--', 'sleep', '1000'], { input: Buffer.from('\x03') });
    expect(ended).toBe(130);
  });

  it("passes the command's exit status, its words and both outputs", async () => {
    const script = 'echo "$1|$2"; echo to stderr >&2; exit 7';
    expect(await hartbox(['exec', '--', 'sh', '-c', script, 'sh', "it's", 'a  b'])).toMatchObject({
      code: 7,
      stdout: "it's|a  b\n",
      stderr: 'to stderr\n',
    });
  });

  it('says what the harts did, for people and for programs', async () => {
    const file = join(folder, 'statistics.json');
    const { code, stdout, stderr } = await hartbox(['exec', '--harts', '2', '--stats', '--stats-json', file, '--', 'echo', 'hi']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'hi\n' });
    const { seconds, harts, all } = JSON.parse(readFileSync(file, 'utf8')) as MachineStatistics & { all: HartStatistics };
    expect(seconds).toBeGreaterThan(0);
    expect(harts).toHaveLength(2);
    expect(all.instructions).toBe(harts[0].instructions + harts[1].instructions);
    // A boot takes many instructions, is worth translating, and both harts sleep, are interrupted and call the firmware.
    expect(all.instructions).toBeGreaterThan(100e6);
    expect(all.regionInstructions).toBeLessThan(all.instructions);
    expect(Math.min(all.regionInstructions, all.regionEntries, all.regionsLive, all.compileMicroseconds)).toBeGreaterThan(0);
    for (const hart of harts) {
      expect(Math.min(hart.asleepTicks, hart.interrupts, hart.exceptions, hart.tlbMisses, hart.tlbFlushes)).toBeGreaterThan(0);
      expect(hart.asleepTicks / 1e7).toBeLessThan(seconds);
    }
    expect(stderr).toContain(all.instructions.toLocaleString('en-US'));
  });

  it('checks all that translated code does, from power-on to poweroff', async () => {
    const script =
      "awk 'BEGIN { for (x = 0.5; i < 20000; i++) x = 3.9 * x * (1 - x); print x }'; seq 5000 | gzip | gunzip | sha256sum | cut -c1-8";
    const { code, stdout, stderr } = await hartbox(['exec', '--check', 'jit', '--', 'sh', '-c', script]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '0.955184\n23f90f8b\n' });
    const [, entries, instructions, accesses] =
      /([\d,]+) times through translated code, ([\d,]+) instructions and ([\d,]+) acc/.exec(stderr) ?? [];
    expect(Number(entries?.replaceAll(',', ''))).toBeGreaterThan(1e5);
    expect(Number(instructions?.replaceAll(',', ''))).toBeGreaterThan(100e6);
    expect(Number(accesses?.replaceAll(',', ''))).toBeGreaterThan(30e6);
  });

  it('streams standard input and output, whole and unchanged', async () => {
    const input = randomBytes(3_000_000);
    const { code, bytes } = await hartbox(['exec', '--', 'cat'], { input });
    expect(code).toBe(0);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(createHash('sha256').update(input).digest('hex'));
  });

  it('says 127 for a command that is not there', async () => {
    const { code, stderr } = await hartbox(['exec', '--', 'no-such-command']);
    expect(code).toBe(127);
    expect(stderr).toMatch(/no-such-command.*not found/);
  });

  it('gives the guest the memory, harts and disks that were asked for, and an address that nobody asked for', async () => {
    const disk = join(folder, 'disk.img');
    writeFileSync(disk, '');
    truncateSync(disk, 8 << 20);
    const command =
      'nproc; cat /sys/block/vda/size /sys/block/vda/ro; grep MemTotal /proc/meminfo; grep -c nameserver /etc/resolv.conf; ip route show default';
    const { code, stdout } = await hartbox([
      'exec',
      '--harts',
      '2',
      '--memory',
      '256M',
      '--drive',
      `file=${disk},readonly`,
      '--',
      'sh',
      '-c',
      command,
    ]);
    expect(code).toBe(0);
    const [harts, sectors, readonly, memory, nameServers, route] = stdout.split('\n');
    expect([harts, sectors, readonly]).toEqual(['2', '16384', '1']);
    const kilobytes = Number(/(\d+) kB/.exec(memory)?.[1]);
    expect(kilobytes).toBeGreaterThan(180_000);
    expect(kilobytes).toBeLessThan(256 * 1024);
    // It is there from the first moment.
    expect(nameServers).toBe('1');
    expect(route).toMatch(/^default via 10\.\d+\.\d+\.2 dev eth0/);
  });

  it('ends with 124 when the time is up', async () => {
    const { code, stderr } = await hartbox(['exec', '--timeout', '1', '--', 'sleep', '1000']);
    expect(code).toBe(124);
    expectPlainError(stderr, /stopped after 1 s/);
  });

  it('ends quickly on Ctrl-C', async () => {
    const { child, ended, says } = startHartbox(['exec', '--', 'sh', '-c', 'echo ready; sleep 1000']);
    await says(/ready/);
    const start = Date.now();
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
    expect(Date.now() - start).toBeLessThan(3000);
  });

  it('ends when nobody reads its output any more', async () => {
    const { child, ended, says } = startHartbox(['exec', '--', 'yes']);
    await says(/y/);
    child.stdout.destroy();
    expect((await ended).code).toBe(141);
  });
});

describe('hartbox run', () => {
  it('returns what a bare-metal program wrote to tohost', async () => {
    expect(await hartbox(['run', '--kernel', tohostProgram((3 << 1) | 1)])).toMatchObject({ code: 3, stdout: '' });
    expect(await hartbox(['run', '--kernel', tohostProgram(1)])).toMatchObject({ code: 0 });
  });

  it('gives the console to pipes, and ends with 0 after a poweroff', async () => {
    const { child, ended, says } = startHartbox(['run', '--memory', '256M']);
    await says(/# /);
    child.stdin.write('echo $((6 * 7))\n');
    await says(/^42/m);
    child.stdin.end('poweroff\n');
    expect((await ended).code).toBe(0);
  });

  it('ends with 124 when the time is up', async () => {
    const { code, stderr } = await hartbox(['run', '--kernel', tohostProgram(0), '--timeout', '0.5']);
    expect(code).toBe(124);
    expectPlainError(stderr, /stopped after 0.5 s/);
  });

  it('runs a box of the library once at a time, and again after a kill -9', async () => {
    const env = { HARTBOX_HOME: home };
    const first = startHartbox(['run', 'hartbox-linux'], env);
    await first.says(/# /);
    const second = await hartbox(['run', 'Hartbox Linux'], { env });
    expect(second.code).toBe(125);
    expectPlainError(second.stderr, /already being run by hartbox run \(process \d+\)/);
    const [listed] = JSON.parse((await hartbox(['list', '--json'], { env })).stdout) as { state: string }[];
    expect(listed.state).toBe('running');

    first.child.kill('SIGKILL');
    await first.ended;
    const again = startHartbox(['run', 'hartbox-linux'], env);
    await again.says(/# /);
    again.child.stdin.end('poweroff\n');
    expect((await again.ended).code).toBe(0);
  });
});

describe('hartbox, when something is wrong', () => {
  const file = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const guest = async (): Promise<{ kernel: string }> => JSON.parse((await hartbox(['setup', '--json'])).stdout) as { kernel: string };

  it('says which kernel is missing', async () => {
    const { code, stderr } = await hartbox(['run', '--kernel', join(folder, 'nowhere')]);
    expect(code).toBe(125);
    expectPlainError(stderr, /nowhere/);
  });

  it('refuses a file that is no kernel', async () => {
    const { code, stderr } = await hartbox([
      'run',
      '--kernel',
      file('notes.txt', Buffer.from('this is no kernel\n'.repeat(1000))),
      '--timeout',
      '20',
    ]);
    expect(code).toBe(125);
    expectPlainError(stderr, /notes\.txt/);
  });

  it('refuses a truncated kernel', async () => {
    const { kernel } = await guest();
    const { code, stderr } = await hartbox([
      'run',
      '--kernel',
      file('truncated', readFileSync(kernel).subarray(0, 5_000_000)),
      '--timeout',
      '20',
    ]);
    expect(code).toBe(125);
    expectPlainError(stderr, /truncated/);
  });

  it('refuses too little memory for the guest', async () => {
    const { code, stderr } = await hartbox(['run', '--memory', '16M', '--timeout', '20']);
    expect(code).toBe(125);
    expectPlainError(stderr, /memory/);
  });

  it('says what cannot be checked', async () => {
    const several = await hartbox(['exec', '--check', 'jit', '--harts', '2', '--', 'true']);
    expect(several.code).toBe(125);
    expectPlainError(several.stderr, /checked on one hart only, not on 2/);
    const none = await hartbox(['exec', '--check', 'jit', '--no-jit', '--', 'true']);
    expect(none.code).toBe(125);
    expectPlainError(none.stderr, /no translated code to check/);
  });

  it('refuses a disk that is missing, and one that cannot be written', async () => {
    const missing = await hartbox(['exec', '--drive', `file=${join(folder, 'no.img')}`, '--', 'true']);
    expect(missing.code).toBe(125);
    expectPlainError(missing.stderr, /no\.img/);

    const unwritable = file('unwritable.img', new Uint8Array(1 << 20));
    chmodSync(unwritable, 0o444);
    // Root may write any file, but not a directory.
    const drive = process.getuid?.() === 0 ? folder : unwritable;
    const { code, stderr } = await hartbox(['exec', '--drive', `file=${drive}`, '--', 'true']);
    expect(code).toBe(125);
    expectPlainError(stderr, /hartbox-cli-/);
  });

  it('takes wrong options back to their help', async () => {
    for (const [args, message] of [
      [['run', '--memroy', '1G'], /There is no option --memroy; did you mean --memory\?/],
      [['run', '--memory', '100G'], /^hartbox: memory: expected a size from 16M to 3840M in whole M, not '100G'\.$/m],
      [['exec'], /Which command/],
      [['frobnicate'], /There is no command 'frobnicate'/],
      [['run', '--drive', 'format=raw'], /drives\.0\.file: expected the path of a file, but there is none/],
    ] as const) {
      const { code, stderr, stdout } = await hartbox([...args]);
      expect([code, stdout]).toEqual([2, '']);
      expectPlainError(stderr, message);
      expect(stderr).toMatch(/^Try: hartbox .*--help$/m);
    }
  });

  it('names the boxes there are', async () => {
    const { code, stderr } = await hartbox(['run', 'nope'], { env: { HARTBOX_HOME: home } });
    expect(code).toBe(125);
    expectPlainError(stderr, /There is no box called "nope".*Hartbox Linux/);
  });
});

describe.skipIf(process.platform !== 'linux')('hartbox, when its output cannot be written', () => {
  const CLI = fileURLToPath(new URL('../../out/main/cli.js', import.meta.url));
  const shell = (command: string): Promise<{ code: number | null; stderr: string }> =>
    new Promise((resolve, reject) => {
      const child = endWithUs(spawn('bash', ['-o', 'pipefail', '-c', command.replaceAll('hartbox', `"${process.execPath}" "${CLI}"`)]));
      let stderr = '';
      child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
      child.on('error', reject).on('close', (code) => resolve({ code, stderr }));
    });

  it.each(['list', 'help options', 'schema', 'completion zsh', 'exec -- echo hi'])('%s says that the disk is full', async (command) => {
    const { code, stderr } = await shell(`hartbox ${command} > /dev/full`);
    expect(code).toBe(125);
    expect(stderr).toMatch(/^hartbox: the standard output cannot be written: ENOSPC.*\n$/);
  });

  it.each(['list', 'help --markdown'])('%s says nothing when nobody reads', async (command) => {
    expect(await shell(`hartbox ${command} | true`)).toEqual({ code: 0, stderr: '' });
  });
});

describe('hartbox list and help', () => {
  it('lists the default box for people and for programs', async () => {
    const env = { HARTBOX_HOME: home };
    expect((await hartbox(['list'], { env })).stdout).toMatch(
      /^ID .* DISK USE\nhartbox-linux +Hartbox Linux +stopped +512 MiB +1 +\d+ KiB\n$/,
    );
    expect(JSON.parse((await hartbox(['list', '--json'], { env })).stdout)).toEqual([
      {
        id: 'hartbox-linux',
        name: 'Hartbox Linux',
        state: 'stopped',
        memory: 512 << 20,
        harts: 1,
        drives: [],
        diskUse: expect.any(Number),
      },
    ]);
  });

  it('helps on every command', async () => {
    for (const command of ['run', 'exec', 'list', 'setup', 'create', 'disk create', 'trash']) {
      const words = command.split(' ');
      const { code, stdout } = await hartbox([...words, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain(`Usage: hartbox ${command}`);
      expect((await hartbox(['help', ...words])).stdout).toBe(stdout);
    }
  });
});

describe('--profile', () => {
  interface Profile {
    nodes: { id: number; callFrame: { functionName: string }; hitCount: number; children: number[] }[];
    samples: number[];
    timeDeltas: number[];
    endTime: number;
  }
  /** The share of the time in functions of that name and what they call. */
  function share({ nodes, samples, timeDeltas, endTime }: Profile, name: RegExp): number {
    const inside = new Set<number>();
    const byId = new Map(nodes.map((node) => [node.id, node]));
    const enter = (id: number): void => {
      inside.add(id);
      byId.get(id)?.children.forEach(enter);
    };
    for (const node of nodes) if (name.test(node.callFrame.functionName)) enter(node.id);
    return samples.reduce((sum, id, i) => (inside.has(id) ? sum + (timeDeltas[i + 1] ?? 0) : sum), 0) / endTime;
  }

  it('names the functions of a bare-metal program, with their shares', async () => {
    // Calls two functions over and over that loop three times as long in one as in the other; in the end it writes 1 to tohost.
    const code = new Assembler();
    const [most, least, again, end] = [new Label(), new Label(), new Label(), new Label()];
    const addi = (rd: number, rs1: number, immediate: number): number => iType(0x13, 0, rd, rs1, immediate);
    code.word(uType(0x37, 5, 300));
    code.place(again);
    code.reference(4, most, (distance) => jType(1, distance));
    code.reference(4, least, (distance) => jType(1, distance));
    code.word(addi(5, 5, -1));
    code.reference(4, again, (distance) => bType(1, 5, 0, distance));
    code.word(uType(0x17, 6, 1));
    code.word(addi(7, 0, 1));
    code.word(sType(0x23, 3, 6, 7, -(code.offset - 8)));
    code.place(end);
    code.reference(4, end, (distance) => jType(0, distance));
    for (const [label, rounds] of [
      [most, 1500],
      [least, 500],
    ] as const) {
      const loop = new Label();
      code.place(label);
      code.word(addi(6, 0, rounds));
      code.place(loop);
      code.word(addi(6, 6, -1));
      code.reference(4, loop, (distance) => bType(1, 6, 0, distance));
      code.word(0x8067);
    }
    const [elf, profile] = [join(folder, 'profiled.elf'), join(folder, 'bare.cpuprofile')];
    const base = 0x8000_0000;
    const symbols = { start: base, most: base + (most.offset ?? 0), least: base + (least.offset ?? 0), tohost: base + 4096 };
    const parts = [
      { address: base, bytes: code.bytes() },
      { address: base + 4096, bytes: new Uint8Array(8) },
    ];
    writeFileSync(elf, buildElf({ entry: base, parts, symbols }));
    const run = await hartbox(['run', '--kernel', elf, '--firmware', 'none', '--profile', profile]);
    // Where it takes long, it says that nobody can type.
    expect(run).toMatchObject({ code: 0, stderr: expect.stringMatching(/^(hartbox: standard input is closed[^\n]*\n)?$/) as string });
    const found = JSON.parse(readFileSync(profile, 'utf8')) as Profile;
    // Counted and not timed: a sample stands for all the time that the host's other work held the hart up.
    const hits = (name: RegExp): number =>
      found.nodes.reduce((sum, { callFrame, hitCount }) => (name.test(callFrame.functionName) ? sum + hitCount : sum), 0);
    const all = hits(/^/);
    // Of 500 the standard deviation is 2 %.
    expect(all).toBeGreaterThan(500);
    expect(Math.abs(hits(/^most$/) / all - 0.75)).toBeLessThan(0.07);
    expect(Math.abs(hits(/^least$/) / all - 0.25)).toBeLessThan(0.07);
  });

  it('tells programs, kernel and firmware of a Linux guest apart', async () => {
    const [list, profile] = [join(folder, 'kallsyms'), join(folder, 'linux.cpuprofile')];
    const names = await hartbox(['exec', '--', 'sh', '-c', 'echo 0 >/proc/sys/kernel/kptr_restrict; cat /proc/kallsyms']);
    writeFileSync(list, names.stdout);
    const command = 'dd if=/dev/zero of=/dev/null bs=64k count=10000 2>/dev/null; i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done';
    const { code } = await hartbox(['exec', '--profile', profile, '--symbols', list, '--', 'sh', '-c', command]);
    expect(code).toBe(0);
    const found = JSON.parse(readFileSync(profile, 'utf8')) as Profile;
    const [user, kernel, firmware, idle] = [/^user mode$/, /^supervisor mode$/, /^machine mode$/, /^\(idle\)$/].map((name) =>
      share(found, name),
    );
    expect(user + kernel + firmware + idle).toBeCloseTo(1, 5);
    expect(Math.min(user, kernel)).toBeGreaterThan(0.05);
    expect(firmware).toBeGreaterThan(0);
    // Most of dd is clearing its buffer, in a system call; the call chain says so.
    expect(share(found, /^ksys_read$/)).toBeGreaterThan(0.02);
    expect(share(found, /^ksys_read$/)).toBeLessThanOrEqual(share(found, /^do_trap_ecall_u$/) + 0.01);
  });
});
