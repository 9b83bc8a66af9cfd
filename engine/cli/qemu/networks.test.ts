import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { machineConfigSchema } from '../../settings/settings';
import { UsageError } from '../usage-error';
import { readCommandLine } from './command-line';
import { textOf } from './help';
import { type Plan, translate } from './translate';

const KERNEL = '-M virt -nographic -bios none -kernel /k';
const plan = (options: string): Plan => translate(readCommandLine(`${KERNEL} ${options}`.split(' ').filter((word) => word !== '')));
const networks = (options: string): Plan['config']['network'] => plan(options).config.network;
/** What a -netdev means, as its adapter has it. */
const netdev = (text: string): NonNullable<Plan['config']['network']>[number] =>
  networks(`-netdev ${text},id=n -device virtio-net-device,netdev=n`)![0];

describe('networks of a QEMU command line', () => {
  it('are none unless asked for, as on the virt board of QEMU', () => {
    expect(networks('')).toEqual([]);
    expect(networks('-nodefaults -nic none -net none')).toEqual([]);
  });

  it('are NAT in the net of QEMU, with the host at the gateway', () => {
    expect(netdev('user')).toMatchObject({ connection: 'nat', subnet: '10.0.2.0/24', hostAccess: true, queues: 1 });
    expect(netdev('user,restrict=on')).toMatchObject({ connection: 'nat', deny: ['*'] });
    expect(netdev('user,restrict=on')).not.toHaveProperty('hostAccess');
  });

  it.each([
    ['192.168.76.0/24', '192.168.76.0/24'],
    ['192.168.76.9/255.255.255.0', '192.168.76.0/24'],
    ['192.168.76.0', '192.168.76.0/24'],
    ['172.20.0.0', '172.20.0.0/16'],
    ['10.0.0.0', '10.0.0.0/8'],
  ])('have the net %s', (given, subnet) => {
    expect(netdev(`user,net=${given}`)).toMatchObject({ subnet });
  });

  it.each([
    ['tcp::5555-:22', '5555:22'],
    ['::8080-:80', '8080:80'],
    ['udp::53-10.0.2.15:5353', 'udp:53:5353'],
    ['tcp:0.0.0.0:80-:80', '0.0.0.0:80:80'],
    ['tcp:127.0.0.1:0-:22', '0:22'],
  ])('forward ports: %s', (hostfwd, forward) => {
    expect(netdev(`user,hostfwd=${hostfwd}`)).toMatchObject({ forward: [forward] });
  });

  it('take several forwards, and what is as it is anyway', () => {
    const { forward } = netdev('user,hostfwd=tcp::1-:2,host=10.0.2.2,dns=10.0.2.3,dhcpstart=10.0.2.15,ipv6=on,hostfwd=udp::3-:4');
    expect(forward).toEqual(['1:2', 'udp:3:4']);
  });

  it.each([
    ['stream,addr.type=inet,addr.host=localhost,addr.port=1234', { connection: 'stream', connect: 'localhost:1234' }],
    ['stream,server=on,addr.type=inet,addr.host=::1,addr.port=1234', { connection: 'stream', listen: '[::1]:1234' }],
    ['stream,server=off,addr.type=unix,addr.path=/run/net', { connection: 'stream', connect: 'unix:/run/net' }],
    ['socket,listen=:1234', { connection: 'stream', listen: ':1234' }],
    ['socket,connect=127.0.0.1:1234', { connection: 'stream', connect: '127.0.0.1:1234' }],
    ['socket,udp=10.0.0.1:1,localaddr=10.0.0.2:2', { connection: 'dgram', connect: '10.0.0.1:1', listen: '10.0.0.2:2' }],
    [
      'dgram,local.type=inet,local.host=127.0.0.1,local.port=1,remote.type=inet,remote.host=127.0.0.1,remote.port=2',
      { connection: 'dgram', listen: '127.0.0.1:1', connect: '127.0.0.1:2' },
    ],
  ])('are %s', (text, values) => {
    expect(netdev(text)).toMatchObject(values);
    expect(machineConfigSchema.safeParse(plan(`-netdev ${text},id=n -device virtio-net-pci,netdev=n`).config).success).toBe(true);
  });

  it('are given as JSON too', () => {
    const words = [...KERNEL.split(' '), '-netdev', '{"type":"stream","id":"n","server":true,"addr":{"type":"unix","path":"/s"}}'];
    const { network } = translate(readCommandLine([...words, '-device', '{"driver":"virtio-net-pci","netdev":"n"}'])).config;
    expect(network).toMatchObject([{ id: 'n', connection: 'stream', listen: 'unix:/s', bus: 'pci' }]);
  });

  it('have adapters at the places and with the addresses of QEMU', () => {
    const adapters = networks(
      '-netdev user,id=a -netdev user,id=b -netdev user,id=c -device virtio-net-device,netdev=b -device virtio-net-device,netdev=a,mac=52:54:00:12:34:57,bus=virtio-mmio-bus.0 -device virtio-net-pci,netdev=c,addr=5,host_mtu=9000 -nic user',
    );
    expect(adapters).toMatchObject([
      { id: 'nic0', bus: 'pci', mac: '52:54:00:12:34:56' },
      { id: 'b', bus: 'mmio', slot: 7, mac: '52:54:00:12:34:57' },
      { id: 'a', bus: 'mmio', slot: 0, mac: '52:54:00:12:34:57' },
      { id: 'c', bus: 'pci', slot: 5, mtu: 9000, mac: '52:54:00:12:34:58' },
    ]);
  });

  it('come with their adapter from -nic', () => {
    expect(networks('-nic user,id=x,model=virtio-net-pci,mac=02:00:00:00:00:01,hostfwd=tcp::5555-:22')).toMatchObject([
      { id: 'x', bus: 'pci', mac: '02:00:00:00:00:01', forward: ['5555:22'] },
    ]);
    expect(networks('-nic socket,listen=:1234,model=virtio-net-device')).toMatchObject([{ connection: 'stream', bus: 'mmio' }]);
  });

  it('give the guest a name', () => {
    expect(networks('-nic user,hostname=guest-1,model=virtio-net-pci')).toMatchObject([{ connection: 'nat', hostName: 'guest-1' }]);
    expect(() => plan('-netdev user,id=n,hostname=a.b')).toThrow("'a.b' is no name of a host");
  });

  it('are interfaces of the host', () => {
    expect(networks('-nic tap,ifname=tap0,script=no,downscript=no,model=virtio-net-pci')).toMatchObject([
      { connection: 'tap', name: 'tap0' },
    ]);
  });

  it('are noted where no device has them', () => {
    expect(plan('-netdev user,id=n').notes).toEqual([expect.stringContaining('-netdev user,id=n: no device has this network')]);
    expect(networks('-netdev user,id=n')).toEqual([]);
  });

  it.each([
    ['-netdev user', "Parameter 'id' is missing"],
    ['-netdev user,id=n -netdev user,id=n', "Duplicate ID 'n' for netdev"],
    ['-netdev user,id=1n', 'expects an identifier'],
    ['-netdev tap,id=n', 'ifname= names a tap interface of this Linux here'],
    ['-netdev tap,id=n,ifname=tap0,script=/etc/up', 'no scripts are run here: write script=no'],
    ['-netdev bridge,id=n', '-netdev bridge,id=n: there is no bridge here: make a tap at the bridge yourself'],
    ['-netdev nonsense,id=n', "'nonsense' is no kind of network here; there are user, stream, dgram, tap, socket"],
    ['-netdev user,id=n,smb=/x', "a network of the kind user takes no 'smb' here"],
    ['-netdev user,id=n,guestfwd=tcp:10.0.2.9:1-cmd:cat', "takes no 'guestfwd' here"],
    ['-netdev user,id=n,dns=10.0.2.7', 'in the net 10.0.2.0/24 it is 10.0.2.3 here'],
    ['-netdev user,id=n,ipv6=off', 'cannot be switched off here'],
    ['-netdev user,id=n,net=10.0.2.0/30', 'no net for guests'],
    ['-netdev user,id=n,net=10.0.2.0/255.0.255.0', 'is no net of IPv4'],
    ['-netdev user,id=n,hostfwd=tcp:1-:2', "Invalid host forwarding rule 'tcp:1-:2'"],
    ['-netdev user,id=n,hostfwd=tcp::1-10.0.2.16:2', 'the guest is 10.0.2.15 here'],
    ['-netdev socket,id=n,mcast=230.0.0.1:1234', 'there is no multicast here'],
    ['-netdev socket,id=n,listen=:1,connect=a:2', 'exactly one of listen=, connect= or udp='],
    ['-netdev stream,id=n,addr.type=fd,addr.str=3', 'addr.type can be inet or unix here'],
    ['-netdev dgram,id=n,local.type=unix,local.path=/x', 'datagrams go by UDP here'],
    ['-device virtio-net-device', 'netdev=ID names one of -netdev'],
    ['-device virtio-net-device,netdev=n', "Property 'virtio-net-device.netdev' can't find value 'n'"],
    ['-netdev user,id=n -device virtio-net-device,netdev=n -device virtio-net-device,netdev=n', "it's in use"],
    ['-nic user,mac=03:00:00:00:00:01', 'expected six bytes such as 52:54:00:12:34:56'],
    ['-nic user,model=e1000', 'there is no e1000 here: write model=virtio-net-pci'],
    ['-net user', 'write -nic user,model=virtio-net-pci'],
    ['-device e1000', 'there is no e1000 here: use virtio-net-pci'],
    ['-nic user '.repeat(9), 'there are 8 network adapters at most'],
  ])('are refused by name: %s', (options, message) => {
    expect(() => plan(options)).toThrow(UsageError);
    expect(() => plan(options)).toThrow(message);
  });

  it('are listed', () => {
    expect(readCommandLine(['-netdev', 'help']).shows).toBe('networks');
    expect(textOf('networks')).toContain('\n  user ');
  });

  it('are settings that hold, whatever a command line says', () => {
    const inet = (prefix: string): string[] => ['host=::1', 'port=9'].map((one) => `${prefix}.${one}`).concat(`${prefix}.type=inet`);
    const kinds: Record<string, string[]> = {
      user: ['hostfwd=tcp::5555-:22', 'hostfwd=udp:1.2.3.4:53-10.9.0.15:53', 'net=10.9.0.0/16', 'restrict=on', 'dns=10.9.0.3', 'ipv4=on'],
      stream: ['server=on', 'reconnect=1', ...inet('addr')],
      dgram: [...inet('local'), ...inet('remote')],
      socket: ['listen=:1', 'connect=[::1]:65535', 'udp=a:1', 'localaddr=:2'],
      tap: ['ifname=x'],
    };
    const wild = fc.oneof(
      fc.constantFrom(
        'addr.port=0',
        'hostfwd=tcp::99999-:1',
        'mac=nonsense',
        'host_mtu=5',
        'listen=:65536',
        'addr.host=a b',
        'net=1.2.3.4',
      ),
      fc.tuple(fc.constantFrom('net', 'listen', 'local.host', 'hostfwd', 'mac'), fc.string({ maxLength: 8 })).map((pair) => pair.join('=')),
    );
    const ofKind = fc.constantFrom(...Object.keys(kinds)).chain((type) => fc.tuple(fc.constant(type), fc.shuffledSubarray(kinds[type])));
    const some = fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(wild, { maxLength: 2 }) });
    const option = fc
      .tuple(fc.constantFrom('-netdev', '-nic'), ofKind, some)
      .map(([name, [type, good], bad]) => [name, type, [...good, ...bad]] as const);
    let passed = 0;
    fc.assert(
      fc.property(fc.array(option, { maxLength: 2 }), (options) => {
        const words = options.flatMap(([name, type, pieces], at) => [
          ...[name, [type, `id=n${at}`, ...pieces].join(',')],
          ...(name === '-netdev' ? ['-device', `virtio-net-device,netdev=n${at}`] : []),
        ]);
        try {
          const { config } = translate(readCommandLine([...KERNEL.split(' '), ...words]));
          expect(machineConfigSchema.safeParse(config).error?.issues ?? []).toEqual([]);
          passed += options.length;
        } catch (error) {
          if (!(error instanceof UsageError)) throw error;
        }
      }),
      { numRuns: 500 },
    );
    expect(passed).toBeGreaterThan(10);
  });
});
