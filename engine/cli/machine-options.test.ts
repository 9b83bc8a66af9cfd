import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseMachineOptions } from './machine-options';
import { UsageError } from './usage-error';

const parse = (...args: string[]) => parseMachineOptions('run', args);
const parseExec = (...args: string[]) => parseMachineOptions('exec', args);

describe('parseMachineOptions', () => {
  it('reads every option', () => {
    const { options, rest } = parse(
      '--kernel',
      'Image',
      '--initrd=initrd.cpio',
      '--append',
      'console=hvc0 quiet',
      '--firmware',
      'none',
      '--flash-vars',
      'vars.fd',
      '--fw-cfg',
      'name=opt/org.example/a,string=b=c,d',
      '--fw-cfg',
      'opt/file,file=some.bin',
      '--memory',
      '1G',
      '--harts',
      '2',
      '--aia',
      'aplic-imsic',
      '--drive',
      'file=a.img',
      '--drive',
      'file=b.img,readonly',
      '--no-jit',
      '--priority=low',
      '--virtio',
      'packed,in-order',
      '--virtio=notification-data',
      '--console',
      '100x30',
      '--timeout',
      '2.5',
      '--trace',
      'mmio,virtio',
      '--trace',
      'trap,exec',
      '--trace-from=main',
      '--check',
      'jit',
      '--stats=0.5s',
      '--stats-json',
      'stats.json',
      '--profile',
      'a.cpuprofile',
      '--symbols',
      'vmlinux',
      '--symbols=me@home@0x2A000',
      'My VM',
      '-S',
      '--gdb=unix:/tmp/gdb',
      '--vnc=:1',
      '--vnc-password=none',
      '--screenshot=20=a.png',
      '--screenshot',
      'login:=b.png',
      '--dump-dtb=a.dtb',
    );
    expect(options).toEqual({
      config: {
        kernel: resolve('Image'),
        initrd: resolve('initrd.cpio'),
        append: 'console=hvc0 quiet',
        firmware: 'none',
        flashVars: resolve('vars.fd'),
        fwCfg: [
          { name: 'opt/org.example/a', text: 'b=c,d' },
          { name: 'opt/file', file: resolve('some.bin') },
        ],
        memory: 2 ** 30,
        harts: 2,
        aia: 'aplic-imsic',
        jit: false,
        priority: 'low',
        virtio: ['packed', 'in-order', 'notification-data'],
        console: { columns: 100, rows: 30 },
        drives: [{ file: resolve('a.img') }, { file: resolve('b.img'), readonly: true }],
      },
      timeout: 2500,
      trace: ['mmio', 'virtio', 'trap', 'exec'],
      traceFrom: 'main',
      checkJit: true,
      checkFences: false,
      stats: { every: 500 },
      statsJson: 'stats.json',
      profile: 'a.cpuprofile',
      symbols: [
        { file: 'vmlinux', base: 0n },
        { file: 'me@home', base: 0x2a000n },
      ],
      gdb: 'unix:/tmp/gdb',
      vnc: ':1',
      vncPassword: 'none',
      screenshots: [
        { when: 20_000, file: resolve('a.png') },
        { when: 'login:', file: resolve('b.png') },
      ],
      dumpDtb: 'a.dtb',
      tty: false,
      paused: true,
      help: false,
    });
    expect(rest).toEqual(['My VM']);
  });

  it('says nothing of what was not given', () => {
    expect(parse().options).toEqual({
      config: {},
      timeout: undefined,
      trace: [],
      checkJit: false,
      checkFences: false,
      stats: undefined,
      statsJson: undefined,
      symbols: [],
      gdb: undefined,
      screenshots: [],
      tty: false,
      paused: false,
      help: false,
    });
  });

  it('leaves the command alone, with or without --', () => {
    expect(parseExec('-m', '256M', 'ls', '-l', '--color').rest).toEqual(['ls', '-l', '--color']);
    expect(parseExec('--', 'sh', '-c', 'exit 7').rest).toEqual(['sh', '-c', 'exit 7']);
    expect(parseExec('--', '--', 'x').rest).toEqual(['--', 'x']);
  });

  it('takes the options of run behind the box too', () => {
    const { options, rest } = parse('My box', '-m', '256M', '--help');
    expect(options).toMatchObject({ config: { memory: 2 ** 28 }, help: true });
    expect(rest).toEqual(['My box']);
  });

  it('takes a switch in each form', () => {
    const { config } = parse('--jit', '--no-scsi', '--power-button=off').options;
    expect(config).toEqual({ jit: true, scsi: false, powerButton: false });
    expect(parse('--no-jit', '--jit').options.config).toEqual({ jit: true });
  });

  it('does not take what follows --stats for its value', () => {
    const { options, rest } = parse('--stats', '5');
    expect(options.stats).toEqual({ every: undefined });
    expect(rest).toEqual(['5']);
  });

  it('puts discs behind the other drives', () => {
    expect(parse('--cdrom', 'a.iso', '--drive', 'file=b.img', '--scsi').options.config).toEqual({
      drives: [{ file: resolve('b.img') }, { file: resolve('a.iso'), media: 'cdrom' }],
      scsi: true,
    });
  });

  it('lets a value begin with a dash when it is written with =', () => {
    expect(parse('--append=-x').options.config.append).toBe('-x');
  });

  it.each([
    [['-nographic'], /There is no option -nographic: leave it out/],
    [['--nographic'], /There is no option --nographic: leave it out/],
    [['-smp', '2'], /write --harts N/],
    [['-bios', 'x'], /write --firmware FILE/],
    [['-kernel', 'x'], /two dashes here: write --kernel/],
    [['-drive', 'file=x'], /two dashes here: write --drive/],
    [['-initrd', 'x'], /two dashes here/],
    [['-machine', 'virt'], /there is one board/],
    [['-hda', 'x'], /write --drive file=FILE/],
  ])('helps who knows QEMU with %j', (args, message) => {
    expect(() => parse(...args)).toThrow(message);
  });

  it.each([
    [['--frobnicate'], /There is no option --frobnicate/],
    [['-x'], /There is no option -x/],
    [['--memory'], /--memory expects a value: --memory SIZE/],
    [['--no-jit=yes'], /--no-jit takes no value/],
    [['--no-memory'], /There is no option --no-memory/],
    [['--memroy', '1G'], /There is no option --memroy; did you mean --memory\?/],
    [['--notes', 'x'], /There is no option --notes/],
    [['--memory', 'lots'], /^memory: expected a size from 16M to 3840M in whole M, not 'lots'\.$/],
    [['--aia', 'plic'], /^aia: expected none, aplic or aplic-imsic, not 'plic'/],
    [['--harts', '17'], /from 1 to 16/],
    [['--fw-cfg', 'name=etc/a,string=b'], /^fwCfg: expected name=opt/],
    [['--kernel', ''], /^kernel: expected the path of a file, not ''/],
    [['--cdrom', ''], /^drives.0.file: expected the path of a file/],
    [['--timeout', '0'], /--timeout expects seconds/],
    [['--check', 'all'], /--check expects jit or fence.i, not 'all'/],
    [['--stats=often'], /--stats expects seconds/],
    [['--stats=0.01'], /at most every 0.1 seconds/],
    [['--symbols', 'vmlinux'], /together with --profile, --trace exec/],
    [['--trace', 'trap', '--trace-from', 'main'], /together with --trace exec/],
    [['--profile='], /--profile expects a file/],
    [['--stats-json='], /--stats-json expects a file/],
  ])('refuses %j', (args, message) => {
    expect(() => parse(...args)).toThrow(UsageError);
    expect(() => parse(...args)).toThrow(message);
  });
});
