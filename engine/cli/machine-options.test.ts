import { describe, expect, it } from 'vitest';
import { parseMachineOptions } from './machine-options';
import { UsageError } from './usage-error';

const parse = (...args: string[]) => parseMachineOptions('run', args);

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
      '--nographic',
      '--timeout',
      '2.5',
      '--trace',
      'mmio,virtio',
      '--trace',
      'trap',
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
    );
    expect(options).toEqual({
      config: {
        kernel: 'Image',
        initrd: 'initrd.cpio',
        append: 'console=hvc0 quiet',
        firmware: 'none',
        flashVars: 'vars.fd',
        fwCfg: [
          { name: 'opt/org.example/a', text: 'b=c,d' },
          { name: 'opt/file', file: 'some.bin' },
        ],
        memory: 2 ** 30,
        harts: 2,
        aia: 'aplic-imsic',
        drives: [
          { file: 'a.img', format: 'auto', readonly: false },
          { file: 'b.img', format: 'auto', readonly: true },
        ],
      },
      timeout: 2500,
      trace: ['mmio', 'virtio', 'trap'],
      checkJit: true,
      stats: { every: 500 },
      statsJson: 'stats.json',
      profile: 'a.cpuprofile',
      symbols: [
        { file: 'vmlinux', base: 0n },
        { file: 'me@home', base: 0x2a000n },
      ],
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
      stats: undefined,
      statsJson: undefined,
      symbols: [],
      help: false,
    });
  });

  it('leaves the command alone, with or without --', () => {
    expect(parse('-m', '256M', 'ls', '-l', '--color').rest).toEqual(['ls', '-l', '--color']);
    expect(parse('--', 'sh', '-c', 'exit 7').rest).toEqual(['sh', '-c', 'exit 7']);
    expect(parse('--', '--', 'x').rest).toEqual(['--', 'x']);
  });

  it('does not take what follows --stats for its value', () => {
    const { options, rest } = parse('--stats', '5');
    expect(options.stats).toEqual({ every: undefined });
    expect(rest).toEqual(['5']);
  });

  it('puts discs behind the other drives', () => {
    expect(parse('--cdrom', 'a.iso', '--drive', 'file=b.img', '--scsi').options.config).toEqual({
      drives: [
        { file: 'b.img', format: 'auto', readonly: false },
        { file: 'a.iso', media: 'cdrom' },
      ],
      scsi: true,
    });
  });

  it('lets a value begin with a dash when it is written with =', () => {
    expect(parse('--append=-x').options.config.append).toBe('-x');
  });

  it.each([
    [['--frobnicate'], /There is no option --frobnicate/],
    [['-x'], /There is no option -x/],
    [['--memory'], /--memory expects a value/],
    [['--nographic=yes'], /--nographic takes no value/],
    [['--memory', 'lots'], /--memory expects a size/],
    [['--aia', 'plic'], /--aia expects none, aplic or aplic-imsic, not 'plic'/],
    [['--harts', '17'], /from 1 to 16/],
    [['--fw-cfg', 'name=etc/a,string=b'], /--fw-cfg expects name=opt/],
    [['--kernel', ''], /--kernel expects a file/],
    [['--cdrom', ''], /--cdrom expects a file/],
    [['--timeout', '0'], /--timeout expects seconds/],
    [['--check', 'all'], /--check expects jit, not 'all'/],
    [['--stats=often'], /--stats expects seconds/],
    [['--stats=0.01'], /at most every 0.1 seconds/],
    [['--symbols', 'vmlinux'], /together with --profile/],
    [['--profile='], /--profile expects a file/],
    [['--stats-json='], /--stats-json expects a file/],
  ])('refuses %j', (args, message) => {
    expect(() => parse(...args)).toThrow(UsageError);
    expect(() => parse(...args)).toThrow(message);
  });
});
