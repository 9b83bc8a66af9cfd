import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { machineConfigSchema } from '../../settings/settings';
import { UsageError } from '../usage-error';
import { readCommandLine } from './command-line';
import { textOf } from './help';
import { QEMU_OPTIONS } from './option-table';
import { type Plan, translate } from './translate';

const plan = (line: string): Plan => translate(readCommandLine(line.split(' ').filter((word) => word !== '')));
const KERNEL = '-M virt -nographic -bios none -kernel /k';

describe('a command line of QEMU', () => {
  it('is a machine by our settings, with the defaults of QEMU', () => {
    const { config, serial, monitors, isFrozen } = plan(KERNEL);
    expect(config).toMatchObject({
      memory: 128 << 20,
      harts: 1,
      aia: 'none',
      source: 'elf',
      firmware: 'none',
      drives: [],
      virtioMmio: 'legacy',
    });
    expect(config).toMatchObject({ virtioConsole: 'off', entropy: 'off', powerButton: false, reboot: true });
    expect(machineConfigSchema.safeParse(config).success).toBe(true);
    expect(serial).toMatchObject({ kind: 'stdio', isMux: true, hasSignals: false });
    expect(monitors).toEqual([serial]);
    expect(isFrozen).toBe(false);
  });

  it("takes xv6's as it is", () => {
    const { config } = plan(
      '-machine virt -bios none -kernel kernel/kernel -m 128M -smp 3 -nographic -global virtio-mmio.force-legacy=false -drive file=fs.img,if=none,format=raw,id=x0 -device virtio-blk-device,drive=x0,bus=virtio-mmio-bus.0',
    );
    expect(config).toMatchObject({
      harts: 3,
      virtioMmio: 'modern',
      drives: [{ id: 'x0', format: 'raw', bus: 'mmio', slot: 0, interface: 'virtio' }],
    });
  });

  it("takes rCore's as it is", () => {
    const { config } = plan('-machine virt -nographic -bios package.json -device loader,file=os.bin,addr=0x80200000');
    expect(config).toMatchObject({ source: 'kernel', load: [{ address: '0x80200000' }] });
    expect(config.kernel).toBeUndefined();
  });

  it.each([
    ['-smp 4', 4],
    ['-smp cpus=3', 3],
    ['-smp sockets=2,cores=3', 6],
    ['-smp cores=2,threads=2', 4],
    ['-smp 1,maxcpus=4', 1],
    ['-smp 4,sockets=2', 4],
    ['-smp 2 -smp 3', 3],
  ])('counts harts: %s', (options, harts) => {
    expect(plan(`${KERNEL} ${options}`).config.harts).toBe(harts);
  });

  it.each([
    ['-m 256', 256],
    ['-m 1G', 1024],
    ['-m size=64M', 64],
    ['-m 0.5G', 512],
    ['-m 1.9G', 1946],
    ['-m 131072K', 128],
  ])('reads sizes: %s', (options, megabytes) => {
    expect(plan(`${KERNEL} ${options}`).config.memory).toBe(megabytes << 20);
  });

  it('gives out MMIO places from the last one on, as QEMU does, and leaves those that are named', () => {
    const drives = ['a', 'b', 'c'].map((id) => `-drive file=/${id},if=none,id=${id}`).join(' ');
    const { config } = plan(
      `${KERNEL} ${drives} -device virtio-blk-device,drive=a -device virtio-blk-device,drive=b,bus=virtio-mmio-bus.6 -device virtio-blk-device,drive=c`,
    );
    expect(config.drives?.map(({ slot }) => slot)).toEqual([7, 6, 5]);
  });

  it('finds images of -blockdev, also as JSON', () => {
    const json = JSON.stringify({ driver: 'raw', 'node-name': 'n', file: { driver: 'file', filename: '/disk' } });
    const { config } = translate(
      readCommandLine([...KERNEL.split(' '), '-blockdev', json, '-device', '{"driver":"virtio-blk-pci","drive":"n","addr":"0x5"}']),
    );
    expect(config.drives).toMatchObject([{ id: 'n', format: 'raw', bus: 'pci', slot: 5, readonly: false }]);
  });

  it('puts firmware into flash, by -drive, -pflash and -blockdev', () => {
    const code = '-drive if=pflash,unit=0,file=/code.fd,format=raw,readonly=on';
    const banks = { flashCode: resolve('/code.fd'), flashVars: resolve('/vars.fd') };
    expect(plan(`-M virt -nographic ${code} -drive if=pflash,unit=1,file=/vars.fd,format=raw`).config).toMatchObject({
      ...banks,
      source: 'disk',
      firmware: 'opensbi',
    });
    const nodes = '-blockdev node-name=a,driver=file,filename=/code.fd,read-only=on -blockdev node-name=b,driver=file,filename=/vars.fd';
    expect(plan(`${nodes} -M virt,pflash0=a,pflash1=b -nographic`).config).toMatchObject(banks);
    const alone = plan('-M virt -nographic -bios none -pflash /code.fd');
    expect(alone.config).toMatchObject({ flashCode: banks.flashCode, source: 'elf', firmware: 'none' });
    expect(alone.notes).toHaveLength(1);
    for (const { config } of [plan(`-M virt ${code}`), alone]) expect(machineConfigSchema.safeParse(config).success).toBe(true);
  });

  it('has screens, keys and pointers, and shows them by VNC', () => {
    const seat = '-device virtio-gpu-pci,max_outputs=2,xres=1024,yres=768 -device virtio-keyboard-pci -device virtio-tablet-pci';
    const shown = plan(`${KERNEL} ${seat} -vnc :3`);
    expect(shown.config).toMatchObject({ screens: 2, screenSize: '1024x768', input: ['keyboard', 'tablet'] });
    expect(shown.vnc).toEqual({ address: ':5903', password: '' });
    expect(machineConfigSchema.safeParse(shown.config).success).toBe(true);
    expect(plan(`${KERNEL} ${seat} -display vnc=0.0.0.0:1,password=on`).vnc).toEqual({ address: '0.0.0.0:5901' });
    expect(plan(`${KERNEL} ${seat} -vnc unix:/x`).vnc).toEqual({ address: 'unix:/x', password: '' });
    const memory = plan(`${KERNEL} -device ramfb -vnc :0`);
    expect(memory.config).toMatchObject({ screens: 1, graphics: 'ramfb' });
    expect(machineConfigSchema.safeParse(memory.config).success).toBe(true);
    for (const both of [`-device ramfb ${seat}`, `${seat} -device ramfb`])
      expect(plan(`${KERNEL} ${both}`).config).toMatchObject({ screens: 2, graphics: 'both' });
    const blind = plan(`${KERNEL} -vnc :0`);
    expect([blind.vnc, blind.notes]).toEqual([undefined, [expect.stringContaining('no screen to show')]]);
  });

  it('warns of what is not quite as in QEMU', () => {
    const words =
      '-M virt,aclint=on -icount shift=6 -rtc clock=vm -d int,cpu_reset -global edu.x=1 -fsdev local,id=f,path=/x,security_model=mapped';
    const { warnings, config, trace } = plan(`${KERNEL} ${words} -device virtio-9p-device,fsdev=f,mount_tag=t,bus=virtio-mmio-bus.1`);
    expect(warnings.map((warning) => /aclint|icount|clock=vm|cpu_reset|edu|fsdev/.exec(warning)?.[0]).sort()).toEqual([
      'aclint',
      'clock=vm',
      'cpu_reset',
      'edu',
      'fsdev',
      'icount',
    ]);
    expect(trace).toEqual(['trap']);
    expect(config.shares).toEqual([{ folder: '/x', tag: 't', protocol: '9p', readonly: false, owners: 'mapped', bus: 'mmio' }]);
    expect(plan(KERNEL).warnings).toEqual([]);
  });

  it('notes what makes no difference', () => {
    expect(plan(`${KERNEL} -k de -uuid 12345678-1234-1234-1234-123456789abc -nic none`).notes).toHaveLength(3);
    expect(plan(KERNEL).notes).toEqual([]);
  });

  it.each([
    ['-nographc', '-nographc: invalid option; did you mean -nographic?'],
    [`${KERNEL} -smp 17`, '-smp 17: Invalid SMP CPUs 17'],
    [`${KERNEL} -m 8M`, '-m 8M: a machine has 16M to 3840M'],
    [`${KERNEL} -cpu rv64,v=true`, '-cpu rv64,v=true: harts have no v here'],
    [`${KERNEL} -cpu rv32`, "there is no 'rv32'"],
    [`${KERNEL} -device e1000`, 'there is no e1000 here'],
    [`${KERNEL} -device VGA`, 'use virtio-gpu-pci'],
    [`${KERNEL} -device virtio-gpu-device`, 'graphics sits on PCI here'],
    [`${KERNEL} -device virtio-gpu-pci,xres=1000`, 'xres and yres are one of 640x480'],
    [`${KERNEL} -device virtio-gpu-pci -vnc here`, 'expects [HOST]:DISPLAY'],
    [`${KERNEL} -drive if=pflash,file=/a -drive if=pflash,file=/b -drive if=pflash,file=/c`, 'two flash banks'],
    ['-M virt,pflash0=x -nographic', "Cannot find device='x'"],
    [`${KERNEL} -drive file=/x,if=ide`, 'machine type does not support if=ide'],
    [`${KERNEL} -drive file=/x,nonsense=1`, "takes no 'nonsense' here"],
    [`${KERNEL} -drive file=/x,format=vmdk`, "Unknown driver 'vmdk'"],
    [`${KERNEL} -serial stdio -monitor stdio`, 'cannot use stdio by multiple character devices'],
    [`${KERNEL} -serial telnet::1`, 'there is no telnet protocol here'],
    ['-M virt -nographic', 'there is nothing to start'],
    ['-M virt -kernel', '-kernel: requires an argument: -kernel FILE'],
  ])('refuses by name: %s', (line, message) => {
    expect(() => plan(line)).toThrow(UsageError);
    expect(() => plan(line)).toThrow(message);
  });

  it('never fails but with an error of usage, and what it lets pass is a machine', () => {
    const names = QEMU_OPTIONS.flatMap((option) => option.names);
    const piece = fc.oneof(
      fc.constantFrom(
        'virt',
        'none',
        'file=/x',
        'if=none',
        'id=a',
        'drive=a',
        'virtio-blk-device',
        'virtio-blk-pci',
        'loader',
        'stdio',
        'mon:stdio',
      ),
      fc.constantFrom(
        'rv64',
        'cpus=2',
        'cores=',
        '0',
        '4294967296',
        '1e9',
        '-1',
        'on',
        'off',
        'v=on',
        'zba=off',
        'chardev:a',
        'socket',
        'path=/x',
        'tcp:',
        'unix:',
      ),
      fc.constantFrom(
        '{',
        '{"driver":"file","node-name":"a","filename":"/y"}',
        '{"a":[[[1]]]}',
        'help',
        '?',
        'addr=0x',
        'bus=virtio-mmio-bus.1',
        '__proto__=1',
      ),
      fc.string({ maxLength: 12 }),
    );
    const argument = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(','));
    const word = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...names, ...names.map((name) => `-${name}`)) },
      { weight: 2, arbitrary: argument },
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), fc.boolean(), (words, hasKernel) => {
        try {
          const { config } = translate(readCommandLine([...(hasKernel ? KERNEL.split(' ') : []), ...words]));
          const checked = machineConfigSchema.safeParse(config);
          expect(checked.error?.issues ?? []).toEqual([]);
        } catch (error) {
          if (!(error instanceof UsageError)) throw error;
        }
      }),
      { numRuns: process.env['HARTBOX_LONG'] === '1' ? 20_000 : 500 },
    );
  });

  it('does not sink in deep JSON', () => {
    const deep = `{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
    expect(() => translate(readCommandLine([...KERNEL.split(' '), '-device', deep]))).toThrow(UsageError);
  });
});

describe('the table of options', () => {
  it('has a row for each option of QEMU 7.2, and none twice', () => {
    const names = QEMU_OPTIONS.flatMap((option) => option.names);
    expect(new Set(names).size).toBe(names.length);
    // From `qemu-system-riscv64 -help`.
    const theirs =
      'h version machine cpu accel smp numa add-fd set global boot m mem-path mem-prealloc k audio-help audio audiodev device name uuid fda fdb hda hdb hdc hdd cdrom blockdev drive mtdblock sd snapshot fsdev virtfs iscsi usb usbdevice display nographic spice portrait rotate vga full-screen vnc netdev nic net chardev tpmdev bios pflash kernel append initrd dtb compat fw_cfg serial parallel monitor qmp qmp-pretty mon debugcon pidfile singlestep preconfig S overcommit gdb s d D dfilter seed L enable-kvm no-reboot no-shutdown action loadvm daemonize option-rom rtc icount watchdog-action echr incoming only-migratable nodefaults chroot runas semihosting semihosting-config sandbox readconfig no-user-config trace plugin async-teardown msg dump-vmstate enable-sync-profile object';
    for (const name of theirs.split(' ')) expect(names, name).toContain(`-${name}`);
  });

  it('says of each what it does here, and the help has all of them', () => {
    const help = textOf('help');
    for (const { names, does } of QEMU_OPTIONS) {
      expect(does, names[0]).toMatch(/^[^.].*[^.]$/);
      expect(help).toContain(`\n${names.join(', ')}`);
    }
    for (const line of help.split('\n')) expect(line.length, line).toBeLessThanOrEqual(130);
  });

  it('refuses by the name of the option and with a reason', () => {
    for (const { names, takes, effect, does } of QEMU_OPTIONS) {
      if (effect !== 'refused') continue;
      const words = takes === undefined ? [names[0]] : [names[0], 'x'];
      expect(() => readCommandLine(words), names[0]).toThrow(`${words.join(' ')}: ${does}`);
    }
  });

  it('is told on the page about coming from QEMU', () => {
    const page = readFileSync(new URL('../../../docs/coming-from-qemu.md', import.meta.url), 'utf8');
    // Those that need no words there: they ask for help, or stand for another.
    const silent = ['-h', '-version', '-accel', '-name', '-uuid', '-hda', '-cdrom', '-pflash', '-pidfile', '-nodefaults'];
    for (const { names, effect } of QEMU_OPTIONS) {
      if (effect === 'served' && !silent.includes(names[0])) expect(page, names[0]).toMatch(new RegExp(`[\`( ]${names[0]}[\` =]`));
    }
  });
});
