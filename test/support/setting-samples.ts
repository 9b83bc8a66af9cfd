import { resolve } from 'node:path';
import type { BoxValues, BoxValuesInput } from '../../engine/settings/settings';

/** A value of an option: as people write it on the command line and in the window, and as it stands in the settings file. */
export interface GoodSample {
  texts: readonly string[];
  value: unknown;
  /** What else a box must have for it to be right. */
  beside?: BoxValuesInput;
}

export interface SettingSamples {
  good: readonly GoodSample[];
  /** Texts that no option of this kind takes; in the file stands what was written, as far as it can be read. */
  bad: readonly (readonly string[])[];
}

const file = (name: string): string => resolve('/images', name);
const good = (text: string, value: unknown = text, beside?: BoxValuesInput): GoodSample => ({
  texts: [text],
  value,
  ...(beside && { beside }),
});
const choices = (...all: string[]): GoodSample[] => all.map((one) => good(one));
const SWITCH: SettingSamples = { good: [good('on', true), good('off', false), good('yes', true)], bad: [['perhaps'], ['']] };

/** Samples of every option of a box. An option that is new has to have some: this is a type error until then. */
export const SETTING_SAMPLES: Readonly<Record<keyof BoxValues, SettingSamples>> = {
  memory: {
    good: [good('256M', 2 ** 28), good('1G', 2 ** 30), good('1.5GiB', 1.5 * 2 ** 30), good('64', 2 ** 26)],
    bad: [['15M'], ['4G'], ['16.5M'], ['lots'], ['-1'], ['']],
  },
  harts: { good: [good('1', 1), good('16', 16)], bad: [['0'], ['17'], ['1.5'], ['two'], ['']] },
  drives: {
    good: [
      good(`file=${file('a.qcow2')}`, [{ file: file('a.qcow2') }]),
      {
        texts: [`file=${file('a,b.img')},format=raw,readonly`.replace('a,b', 'a,,b'), `file=${file('c.iso')},media=cdrom,if=scsi`],
        value: [
          { file: file('a,b.img'), format: 'raw', readonly: true },
          { file: file('c.iso'), media: 'cdrom', interface: 'scsi' },
        ],
      },
      good(`file=${file('d')},blocksize=4096,queues=2,discard=off,id=data,serial=one,bus=pci,slot=3`, [
        { file: file('d'), blockSize: 4096, queues: 2, discard: false, id: 'data', serial: 'one', bus: 'pci', slot: 3 },
      ]),
    ],
    bad: [['disk.img'], ['file='], ['format=raw'], ['file=a,format=vmdk'], ['file=a,cache=none'], ['file=a,queues=17'], ['file=a,file=b']],
  },
  guestTools: SWITCH,
  extensionsOff: { good: [good('zbc', ['zbc']), good('zicbom,sstc', ['zicbom', 'sstc'])], bad: [['m'], ['zbc,zfoo']] },
  network: {
    good: [
      good('none', []),
      good('nat', [{ connection: 'nat' }]),
      good('nat,forward=2222:22,,udp:*:5353:53,host-access=on,deny=10.0.0.0/8,subnet=10.9.0.0/24', [
        { connection: 'nat', forward: ['2222:22', 'udp:*:5353:53'], hostAccess: true, deny: ['10.0.0.0/8'], subnet: '10.9.0.0/24' },
      ]),
      good('switch=lan', [{ connection: 'switch', name: 'lan' }]),
      good('nat,hostname=guest-1', [{ connection: 'nat', hostName: 'guest-1' }]),
      good('tap=tap0', [{ connection: 'tap', name: 'tap0' }]),
      {
        texts: [
          'stream,connect=127.0.0.1:1234,mac=52:54:00:12:34:56,link=off',
          `dgram,listen=:5000,connect=:5001,id=second,queues=2,mtu=9000,bus=pci`,
        ],
        value: [
          { connection: 'stream', connect: '127.0.0.1:1234', mac: '52:54:00:12:34:56', link: false },
          { connection: 'dgram', listen: ':5000', connect: ':5001', id: 'second', queues: 2, mtu: 9000, bus: 'pci' },
        ],
      },
      good('to=stream,listen=unix:/run/box.sock', [{ connection: 'stream', listen: 'unix:/run/box.sock' }]),
    ],
    bad: [
      ['bridge'],
      ['nat,forward=22'],
      ['nat,forward=70000:1'],
      ['switch'],
      ['switch=a b'],
      ['tap'],
      ['nat,hostname=a b'],
      ['tap=sixteen-letters-'],
      ['stream'],
      ['stream,connect=:1,listen=:2'],
      ['stream,connect=here'],
      ['stream,listen=unix:socket'],
      ['dgram,connect=:1'],
      ['switch=a,mtu=67'],
      ['switch=a,mac=01:00:00:00:00:01'],
      ['switch=a,id=x', 'switch=b,id=x'],
      Array.from({ length: 9 }, () => 'switch=a'),
    ],
  },
  shares: {
    good: [
      good('none', []),
      good(`${file('data')}:/mnt/here`, [{ folder: file('data'), mount: '/mnt/here' }]),
      {
        texts: [`${file('a,,b')},ro,tag=data,owners=passed,bus=pci`, `${file('c')}:/srv,protocol=9p,writeback,user=1000,group=100`],
        value: [
          { folder: file('a,b'), readonly: true, tag: 'data', owners: 'passed', bus: 'pci' },
          { folder: file('c'), mount: '/srv', protocol: '9p', writeback: true, user: 1000, group: 100 },
        ],
      },
      good(`path=${file('a=b')}`, [{ folder: file('a=b') }]),
    ],
    bad: [
      ['path='],
      [`${file('a')}:/a b`],
      [`${file('a')},tag=a b`],
      [`${file('a')},type=nfs`],
      [`${file('a')},user=70000`],
      [`${file('a')},tag=x`, `${file('b')},tag=x`],
      [`${file('a')}:/mnt/x`, `${file('b')}:/mnt/x`],
      Array.from({ length: 17 }, () => file('a')),
    ],
  },
  scsi: SWITCH,
  aia: { good: choices('none', 'aplic', 'aplic-imsic'), bad: [['plic'], ['']] },
  bus: { good: choices('mmio', 'pci'), bad: [['usb']] },
  virtio: {
    good: [
      good('packed', ['packed']),
      good('packed,in-order', ['packed', 'in-order']),
      { texts: ['packed', 'in-order'], value: ['packed', 'in-order'] },
    ],
    bad: [['unpacked'], ['packed,loose']],
  },
  virtioMmio: { good: choices('modern', 'legacy'), bad: [['1'], ['']] },
  virtioStrict: SWITCH,
  virtioConsole: { good: choices('auto', 'on', 'off'), bad: [['perhaps'], ['']] },
  entropy: { good: choices('auto', 'on', 'off'), bad: [['perhaps'], ['']] },
  entropyRate: { good: [good('0', 0), good('64K', 65536)], bad: [['fast'], ['2G']] },
  screens: { good: [good('0', 0), good('1', 1), good('4', 4)], bad: [['5'], ['-1'], ['one'], ['']] },
  screenSize: { good: choices('640x480', '1920x1080'), bad: [['1921x1080'], ['large'], ['']] },
  graphics: { good: choices('virtio', 'ramfb', 'both'), bad: [['vga'], ['']] },
  input: {
    good: [good('keyboard', ['keyboard']), good('mouse,touchscreen', ['mouse', 'touchscreen'])],
    bad: [['joystick'], ['mouse,pen']],
  },
  crypto: SWITCH,
  clipboard: SWITCH,
  sound: SWITCH,
  watchdogDump: { good: [good(file('dump.core'))], bad: [['']] },
  soundFile: { good: [good(file('sound.wav'))], bad: [['']] },
  microphoneFile: { good: [good(file('voice.wav'))], bad: [['']] },
  ai: SWITCH,
  aiModels: { good: [good(file('models'))], bad: [['']] },
  aiMemory: { good: [good('256M', 2 ** 28)], bad: [['31M'], ['4G'], ['much'], ['']] },
  aiSeconds: { good: [good('5', 5)], bad: [['0'], ['3601'], ['1.5'], ['']] },
  watchdog: { good: choices('off', 'reset', 'power-off', 'pause', 'notify'), bad: [['bark'], ['']] },
  powerButton: SWITCH,
  balloon: SWITCH,
  fwCfg: {
    good: [
      good('name=opt/org.example/a,string=b=c,d', [{ name: 'opt/org.example/a', text: 'b=c,d' }]),
      {
        texts: [`opt/file,file=${file('some.bin')}`, 'name=opt/empty,string='],
        value: [
          { name: 'opt/file', file: file('some.bin') },
          { name: 'opt/empty', text: '' },
        ],
      },
    ],
    bad: [['name=etc/a,string=b'], ['opt/a'], ['name=opt/a,file=']],
  },
  semihosting: SWITCH,
  semihostingUser: SWITCH,
  semihostingFolder: { good: [good(file('folder'))], bad: [['']] },
  semihostingArguments: { good: [good('program one two'), good('')], bad: [['x'.repeat(4097)]] },
  consoles: { good: [good('0', 0), good('3', 3)], bad: [['4'], ['-1'], ['one'], ['']] },
  console: { good: [good('100x30', { columns: 100, rows: 30 })], bad: [['100'], ['0x24'], ['80x1001'], ['']] },
  source: {
    good: [
      good('linux'),
      good('disk'),
      good('kernel', 'kernel', { kernel: file('Image') }),
      good('elf', 'elf', { kernel: file('program.elf') }),
    ],
    bad: [['network'], ['']],
  },
  kernel: { good: [good(file('Image'))], bad: [['']] },
  kernelAddress: {
    good: [
      good('0x80400000', '0x80400000', { source: 'kernel', kernel: file('Image') }),
      good('0xffffffffff000', '0xffffffffff000', { source: 'kernel', kernel: file('Image') }),
    ],
    bad: [['80x'], ['0x'], ['0x10000000000000'], ['main']],
  },
  initrd: { good: [good(file('initrd.cpio'))], bad: [['']] },
  append: { good: [good('console=hvc0 quiet'), good('-x'), good('')], bad: [['x'.repeat(4097)]] },
  firmware: { good: [...choices('auto', 'opensbi', 'uboot', 'edk2', 'none'), good(file('firmware.bin'))], bad: [['']] },
  load: {
    good: [
      good(`${file('data.bin')}@0x84000000`, [{ file: file('data.bin'), address: '0x84000000' }], { source: 'linux' }),
      {
        texts: [file('a.elf'), `${file('b@c,d')}@0x84000000`],
        value: [{ file: file('a.elf') }, { file: file('b@c,d'), address: '0x84000000' }],
        beside: { source: 'linux' },
      },
    ],
    bad: [[`${file('x')}@0x10000000000000`]],
  },
  dtb: { good: [good(file('board.dtb'))], bad: [['']] },
  flashCode: { good: [good(file('code.fd'), file('code.fd'), { source: 'disk' })], bad: [['']] },
  flashVars: { good: [good(file('vars.fd'))], bad: [['']] },
  jit: SWITCH,
  reboot: SWITCH,
  hostSleep: { good: choices('hold', 'run'), bad: [['stop']] },
  priority: { good: choices('normal', 'low'), bad: [['high']] },
  name: { good: [good('Debian'), good('My box'), good('Ünïcode 箱')], bad: [[''], ['   '], ['x'.repeat(65)]] },
  icon: { good: choices('penguin', 'chip'), bad: [['horse']] },
  tags: {
    good: [good('work', ['work']), good('work, linux', ['work', 'linux'])],
    bad: [['x'.repeat(33)], [Array.from({ length: 17 }, (_, i) => `t${i}`).join(',')]],
  },
  notes: { good: [good('two\nlines'), good('')], bad: [['x'.repeat(10_001)]] },
  sshUser: { good: [good('alice'), good('_svc-1.x')], bad: [['-oProxyCommand=x'], [''], ['a b'], ['Ann']] },
  autostart: SWITCH,
  bell: { good: choices('none', 'visual', 'sound'), bad: [['gong']] },
  volume: { good: [good('40', 40), good('0', 0)], bad: [['101'], ['-1'], ['loud']] },
  muted: SWITCH,
  build: { good: [good('make kernel/kernel fs.img'), good('')], bad: [['x'.repeat(4097)]] },
  buildFolder: { good: [good(file('sources'))], bad: [['']] },
  buildWatch: SWITCH,
  guestTitle: SWITCH,
  guestClipboard: SWITCH,
};
