/**
 * One command line that is run by QEMU and by `hartbox qemu`, which are to say the same on standard output and to end with the same code.
 * `$NAME` stands for a file of test/guest/qemu-command-line.test.ts; a text in quotes is one word.
 */
export interface CommandLine {
  line: string;
  /** Typed, or piped, into it. */
  input?: string;
  /** What of the output counts, where not all of it does; each match is a line. */
  look?: RegExp;
  /** Beside standard output these files are to be the same afterwards. */
  files?: readonly string[];
  /** What QEMU's exit code is, where the table is to say so. */
  code?: number;
  /** Both end with 1, and what they say is not compared. */
  isRefused?: boolean;
  /** In `npm test -- long` alone. */
  isLong?: boolean;
}

const row = (line: string, more: Omit<CommandLine, 'line'> = {}): CommandLine => ({ line, ...more });
/** A program in machine mode, and what it shall do. */
const bare = (does: string, options = '', more: Omit<CommandLine, 'line'> = {}): CommandLine =>
  row(`-M virt -nographic -bios none -kernel $M ${options}${does === '' ? '' : ` -append '${does}'`}`, more);
/** What firmware says before the program is another version's. */
const PROGRAM = /--- probe[\s\S]*/;
const disk = (name: string, options = ''): string => `-drive file=$${name},format=raw,if=none,id=${name}${options}`;
/** What a monitor answers: the echo of what is typed is not looked at. */
const monitor = (commands: string, look: RegExp, options = ''): CommandLine =>
  row(`-M virt -display none -bios none -kernel $M -append forever -serial null -monitor stdio ${options}`, { input: commands, look });
/** Refused by both, each in its own words. */
const refused = (line: string): CommandLine => row(line, { isRefused: true });

const BOARD: readonly CommandLine[] = [
  bare(''),
  bare('hello fail=3', '', { code: 3 }),
  bare('fail=300', '', { code: 44 }),
  bare('fail=0', '', { code: 0 }),
  row("-machine type=virt -nographic -bios none -kernel $M -append 'fail=5'"),
  row("--machine virt --nographic --bios none --kernel $M --append 'fail=6'"),
  row('-machine virt,kernel=$M,firmware=none -nographic'),
  bare('memory top', '-m 256'),
  bare('memory top', '-m 96M'),
  bare('memory top', '-m size=1G'),
  bare('memory top'),
  bare('cpus alive', '-smp 2'),
  bare('cpus alive', '-smp cpus=3'),
  bare('cpus alive', '-smp 4,sockets=2,cores=2'),
  bare('cpus alive', '-smp cores=2,threads=2'),
  bare('cpus', '-smp 1,maxcpus=4'),
  bare('cpus alive', '-smp 8', { isLong: true }),
  bare('try=zba try=zbb try=zbc try=zbs try=sstc try=f try=v try=nothing', '-cpu rv64,v=off'),
  bare('try=zba try=zbb try=zbc try=zbs', '-cpu rv64,zba=off,zbs=false'),
  bare('try=zbb try=zbc', '-cpu rv64,zbb=off,zbc=off'),
  bare('try=sstc', '-cpu rv64,h=off,sstc=off'),
  bare('hello', '-accel tcg'),
  bare('hello', '-accel tcg,thread=multi -global virtio-mmio.force-legacy=false'),
  row("-M virt,aia=none -nographic -bios none -kernel $M -append 'hello'"),
  row("-M virt,aia=aplic-imsic -nographic -bios none -kernel $M -append 'cpus'"),
  row('-M virt,aclint=off,accel=tcg -nographic -bios none -kernel $M'),
  bare('initrd', '-initrd $TEXT'),
  bare('hello', '-name machine -uuid 12345678-1234-1234-1234-123456789abc -rtc base=utc'),
  bare('hello', '-no-user-config -k de -boot order=c -msg timestamp=off -L $FOLDER -d guest_errors -D $OUT1', { files: ['OUT1'] }),
  // What a program prints so goes to standard error in QEMU.
  bare('semi semiexit=7', '-semihosting', { look: /--- probe/, code: 7 }),
  bare('arguments', '-semihosting-config enable=on,target=native,arg=one,arg=two'),
  bare('reset', '-no-reboot', { code: 0 }),
  bare('reset', '-action reboot=shutdown', { isLong: true }),
  bare('off', '-no-shutdown', { isLong: true }),
  // As Makefiles and documents have them: rCore's, Zephyr's, FreeRTOS's, KUnit's, seL4's.
  bare('hello', '-accel kvm -accel hvf -accel tcg'),
  bare(
    'hello',
    '-m 256 -net none -chardev stdio,id=con,mux=on -serial chardev:con -mon chardev=con,mode=readline -icount shift=6,align=off,sleep=off -rtc clock=vm',
  ),
  bare('cpus', '-smp 4 -net none -chardev stdio,id=con,mux=on -serial chardev:con -mon chardev=con,mode=readline'),
  bare('memory top', '-cpu rv64 -serial mon:stdio -m size=3072'),
  bare('hello', '-d int,cpu_reset -D $OUT1', { isLong: true }),
  bare('hello', '-serial mon:stdio -parallel none -global PIIX4_PM.disable_s3=1'),
  row("-semihosting -M virt,aclint=on -cpu rv64 -smp 2 -bios none -kernel $M -nographic -append 'cpus alive'"),
  row('-M virt,dumpdtb=$OUT1 -display none', { code: 0 }),
  row('-M 128m -machine virt,dumpdtb=$OUT1 -display none', { code: 0 }),
];

const LOADING: readonly CommandLine[] = [
  row('-M virt -nographic -bios none -kernel $MBIN'),
  row("-M virt -nographic -kernel $S -append 'cpus memory fail=9'", { look: PROGRAM }),
  row('-M virt -nographic -bios default -kernel $SBIN', { look: PROGRAM }),
  row('-M virt -nographic -bios $FIRMWARE -kernel $S', { look: PROGRAM, isLong: true }),
  row('-M virt -nographic -bios $JUMPBIN -device loader,file=$SBIN,addr=0x80200000', { look: PROGRAM }),
  row('-M virt -nographic -bios $M', { isLong: true }),
  row('-M virt -nographic -bios $MBIN'),
  row('-M virt -nographic -bios none -device loader,file=$M'),
  row('-M virt -nographic -bios none -device loader,file=$MBIN,addr=0x80000000'),
  bare('peek=539648', '-device loader,file=$TEXT,addr=0x83c00000,force-raw=on'),
  row("-M virt -nographic -smp 2 -kernel $S -append 'cpus'", { look: PROGRAM }),
];

const DRIVES: readonly CommandLine[] = [
  bare('devices disks', `${disk('DISK1')} -device virtio-blk-device,drive=DISK1`),
  bare('disks', `${disk('DISK1')} -device virtio-blk-device,drive=DISK1,bus=virtio-mmio-bus.0`),
  bare('disks', `${disk('DISK1')} -device virtio-blk-device,drive=DISK1,bus=virtio-mmio-bus.0 -global virtio-mmio.force-legacy=false`),
  bare('disks', `${disk('DISK1')} ${disk('DISK2')} -device virtio-blk-device,drive=DISK1 -device virtio-blk-device,drive=DISK2`),
  bare('disks', '-blockdev driver=file,filename=$DISK1,node-name=n -device virtio-blk-device,drive=n'),
  bare(
    'disks',
    '-blockdev driver=file,filename=$DISK2,node-name=f -blockdev driver=raw,file=f,node-name=n -device virtio-blk-device,drive=n',
  ),
  bare('disks', '-drive file=$QCOW2,if=none,id=q -device virtio-blk-device,drive=q'),
  bare('write', '-drive file=$DISK1,format=raw,if=none,id=w -device virtio-blk-device,drive=w', { files: ['DISK1'] }),
  bare('write', '-drive file=$DISK1,format=raw,if=none,id=w -device virtio-blk-device,drive=w -snapshot', { files: ['DISK1'] }),
  bare('write', '-drive file=$DISK1,format=raw,if=none,id=w,snapshot=on -device virtio-blk-device,drive=w', {
    files: ['DISK1'],
    isLong: true,
  }),
  bare('disks', `${disk('DISK1', ',readonly=on')} -device virtio-blk-device,drive=DISK1`),
  bare('devices', '-hda $DISK1'),
  bare('devices', '-drive file=$DISK1,format=raw', { isLong: true }),
  row(
    `-M virt -nographic -bios none -kernel $M -append 'disks' -drive file=$COMMA,format=raw,if=none,id=c -device virtio-blk-device,drive=c`,
  ),
  bare('devices', '-device virtio-rng-device', { look: /device 0x4/g }),
  bare('devices', '-object rng-random,filename=/dev/urandom,id=rng0 -device virtio-rng-device,rng=rng0', { look: /device 0x4/g }),
  bare('devices', '-fsdev local,id=f,path=$FOLDER,security_model=none -device virtio-9p-device,fsdev=f,mount_tag=here', {
    look: /device 0x9/g,
  }),
  bare('hello', '-virtfs local,path=$FOLDER,mount_tag=here,security_model=none'),
  bare(
    'disks',
    `${disk('DISK1')} -device virtio-blk-device,drive=DISK1,bus=virtio-mmio-bus.0 -device virtio-net-device,netdev=net -netdev user,id=net -no-reboot -rtc base=utc ${disk('DISK2')} -device virtio-blk-device,drive=DISK2,bus=virtio-mmio-bus.1`,
  ),
  bare('devices', '-drive file=$DISK1,format=raw,id=hd0 -device virtio-blk-device,drive=hd0', { look: /device 0x2/g }),
  bare('hello', '-device virtio-serial-device -chardev file,id=v,path=$OUT1 -device virtserialport,chardev=v'),
  bare('hello', '-device virtio-serial-device -chardev file,id=v,path=$OUT1 -device virtserialport,chardev=v,name=org.example', {
    isLong: true,
  }),
  bare('hello', '-nic none'),
  bare('hello', '-net none -vga none', { isLong: true }),
];

const NETWORKS: readonly CommandLine[] = [
  bare('devices macs', '-netdev user,id=n -device virtio-net-device,netdev=n'),
  bare(
    'devices macs',
    `${disk('DISK1')} -netdev user,id=a,restrict=on -netdev user,id=b,net=192.168.76.0/24,hostfwd=tcp:127.0.0.1:0-:22 -device virtio-net-device,netdev=b -device virtio-blk-device,drive=DISK1 -device virtio-net-device,netdev=a,mac=52:54:00:00:00:05,bus=virtio-mmio-bus.2`,
  ),
  bare('macs', '-netdev stream,id=n,server=on,addr.type=unix,addr.path=$OUT1 -device virtio-net-device,netdev=n -nodefaults -serial stdio'),
  bare('pci', '-netdev user,id=n -device virtio-net-pci,netdev=n,romfile=,disable-legacy=on,addr=0x3'),
  bare('devices macs', '-netdev user,id=unused', { isLong: true }),
];

const LINES: readonly CommandLine[] = [
  row("-M virt -display none -serial stdio -monitor none -bios none -kernel $M -append 'hello'"),
  row("-M virt -display none -serial mon:stdio -bios none -kernel $M -append 'hello'"),
  row("-M virt -display none -bios none -kernel $M -append 'hello fail=2'"),
  row("-M virt -display none -serial null -bios none -kernel $M -append 'hello'"),
  row("-M virt -display none -serial none -monitor none -bios none -kernel $M -append 'fail=4'", { isLong: true }),
  row("-M virt -display none -serial file:$OUT1 -bios none -kernel $M -append 'hello'", { files: ['OUT1'] }),
  row("-M virt -display none -chardev file,id=f,path=$OUT1 -serial chardev:f -bios none -kernel $M -append 'hello'", { files: ['OUT1'] }),
  row("-M virt -display none -chardev stdio,id=s -serial chardev:s -bios none -kernel $M -append 'hello'"),
  row("-M virt -display none -chardev stdio,id=s,mux=on -serial chardev:s -mon chardev=s -bios none -kernel $M -append 'hello'"),
  row("-M virt -nodefaults -nographic -bios none -kernel $M -append 'hello'"),
  row("-M virt -nodefaults -nographic -serial stdio -bios none -kernel $M -append 'hello'", { isLong: true }),
  bare('echo echo', '', { input: 'one line\nand another\n' }),
  bare('echo', '-serial mon:stdio', { input: 'some words\n' }),
  bare('forever', '', { input: '\x01x', look: /QEMU.*/ }),
  bare('forever', '-echr 2', { input: '\x02x', look: /QEMU.*/ }),
  bare('forever', '', { input: '\x01h\x01x', look: /^C-a.*/gm }),
  bare('echo', '', { input: 'a\x01\x01b\n' }),
  bare('forever', '', { input: '\x01cp 5\nquit\n', look: /^0x5$/m }),
];

const NETWORK = '-netdev user,id=n -device virtio-net-device,netdev=n';
const MONITOR: readonly CommandLine[] = [
  monitor('info status\nquit\n', /VM status: .*/g),
  monitor('info status\ncont\ninfo status\nstop\ninfo status\nq\n', /VM status: .*/g, '-S'),
  monitor('xp/4xw 0x1000\nxp/2gx 0x1000\nxp/8bx 0x1000\nxp/3hd 0x1000\nquit\n', /^0{12}1000: .*/gm, '-S'),
  monitor('x/4bc 0x80000000\nquit\n', /^0{8}80000000: .*/gm),
  monitor('p 1+2\np 0x10*(3+4)\np/d -5\np/x 255\np/d 7/2\nquit\n', /^(0x[0-9a-f]+|-?\d+)$/gm),
  monitor('p 1/0\np (1\nxp\nquit\n', /^(division|unexpected|'\)').*/gm),
  monitor('info name\ninfo uuid\nquit\n', /^(bench|12345678-.*)$/gm, '-name bench -uuid 12345678-1234-1234-1234-123456789abc'),
  monitor('nonsense\ninfo nonsense\nquit\n', /^unknown command: .*/gm),
  monitor('info registers\nquit\n', /^ (x0\/zero|pc) +[0-9a-f]+/gm, '-S'),
  monitor('cpu 1\ninfo cpus\ncpu 5\nquit\n', /^([ *] CPU #\d|invalid.*)/gm, '-smp 2'),
  monitor('system_reset\ninfo status\nquit\n', /VM status: .*/g),
  monitor('help quit\nquit\n', /^quit\|q.*/gm),
  monitor('info network\nset_link x off\nset_link n\nset_link n off\nquit\n', /^(Error.*|Expected.*)|macaddr=\S+/gm, NETWORK),
  monitor(
    'hostfwd_add nonsense\nhostfwd_add n tcp:127.0.0.1:0-:22\ninfo usernet\nhostfwd_remove tcp:127.0.0.1:1\nhostfwd_add x tcp::1-:2\nquit\n',
    /^Invalid host forwarding rule '\w+'|^host forwarding.*|^unrecognized.*|TCP\[HOST_FORWARD\]/gm,
    NETWORK,
  ),
];

const QUESTIONS: readonly CommandLine[] = [
  row('-version', { look: /version \d/, code: 0 }),
  row('-machine help', { look: /^virt .*$/m }),
  row('-cpu help', { look: /\brv64\b/ }),
  row('-help', { look: /^-gdb\b/m }),
  row('-d help', { look: /^Log items/m }),
  row('-accel help', { look: /^tcg$/m }),
  row('-chardev help', { look: /^ +socket$/m, isLong: true }),
];

const REFUSED: readonly CommandLine[] = [
  ...['-nonsense', '-M nosuch', '-M virt -cpu nosuch', '-M virt -m lots', '-M virt -smp 2,sockets=3', '-M virt -smp 5,maxcpus=4'],
  ...[
    '-M virt -kernel',
    '-M virt -display none -kernel $MISSING',
    '-M virt -display none -bios $MISSING',
    '-M virt -display none -append x',
  ],
  ...['-M virt -display none -initrd $TEXT', '-M virt -drive file=$MISSING,format=raw', '-M virt -device nosuch'],
  ...['-M virt -display none -device virtio-blk-device', '-M virt -display none -device virtio-blk-device,drive=x'],
  `-M virt -display none ${disk('DISK1')} -device virtio-blk-device,drive=DISK1 -device virtio-blk-device,drive=DISK1`,
  `-M virt -display none ${disk('DISK1')} ${disk('DISK2')} -device virtio-blk-device,drive=DISK1,bus=virtio-mmio-bus.1 -device virtio-blk-device,drive=DISK2,bus=virtio-mmio-bus.1`,
  '-M virt -display none -drive file=$DISK1,id=a,if=none,format=raw -drive file=$DISK2,id=a,if=none,format=raw',
  ...[
    '-M virt -display none -serial nonsense',
    '-M virt -display none -serial chardev:none',
    '-M virt -display none -chardev nonsense,id=x',
  ],
  ...['-M virt -display none -chardev null', '-M virt -display none -serial stdio -monitor stdio', '-M virt -display none -d nonsense'],
  ...[
    '-M virt -display none -cpu rv64,nonsense=on',
    '-M virt -rtc base=nonsense',
    '-M virt -uuid nonsense',
    '-M virt,aia=nonsense -display none',
  ],
  ...[
    '-M virt,nonsense=on',
    '-M virt -display none -gdb nonsense',
    '-M virt -accel kvm',
    '-M virt -display nonsense',
    '-M virt -bios none -display none -drive file=$DISK1,format=raw,if=ide',
  ],
  ...[
    '-M virt -display none -drive file=$DISK1,format=nonsense',
    '-M virt -display none -device scsi-hd,drive=x',
    '-M virt -netdev nonsense,id=n',
    '-M virt -display none -netdev user',
    '-M virt -display none -netdev user,id=n,hostfwd=tcp:80-:80',
    '-M virt -display none -netdev user,id=n,net=nonsense',
    '-M virt -display none -netdev user,id=n -netdev user,id=n',
    '-M virt -display none -device virtio-net-device,netdev=n',
    '-M virt -display none -netdev user,id=n -device virtio-net-device,netdev=n -device virtio-net-device,netdev=n',
    '-M virt -display none -netdev user,id=n -device virtio-net-device,netdev=n,mac=nonsense',
    '-M virt -display none -netdev socket,id=n,listen=:1234,connect=:1235',
    '-M virt -device virtio-blk-device,nonsense=on,drive=x',
    '-M virt -display none -object nonsense,id=x',
    '-M virt -display none -device virtio-rng-device,rng=nothing',
    '-M virt -display none -device virtio-9p-device,fsdev=nothing,mount_tag=x',
    '-M virt -display none -fsdev nonsense,id=f,path=.',
    '-M virt -rtc clock=nonsense',
  ],
].map((line) => refused(line));

export const COMMAND_LINES: readonly CommandLine[] = [
  ...BOARD,
  ...LOADING,
  ...DRIVES,
  ...NETWORKS,
  ...LINES,
  ...MONITOR,
  ...QUESTIONS,
  ...REFUSED,
];
