import { Properties } from './properties';

/** A `-global`: that property of all devices of that kind. */
export interface Global {
  driver: string;
  property: string;
  value: string;
  where: string;
}

/** What can be printed in place of a machine. */
export type Shown = 'help' | 'version' | 'machines' | 'cpus' | 'devices' | 'networks' | 'log items' | 'accelerators' | 'lines';

/** What a command line asks for, option by option, before it is known what that means together. */
export class Wanted {
  machine = Properties.of('-machine', '');
  memory = Properties.of('-m', '', 'size');
  harts = Properties.of('-smp', '', 'cpus');
  cpu: string | undefined;
  bios: string | undefined;
  kernel: string | undefined;
  initrd: string | undefined;
  append: string | undefined;
  deviceTree: string | undefined;
  /** Where firmware is looked for by its name. */
  readonly libraries: string[] = [];
  readonly fwCfg: Properties[] = [];
  readonly drives: Properties[] = [];
  readonly blockNodes: Properties[] = [];
  readonly devices: Properties[] = [];
  /** Shared folders by their ids. */
  readonly folders = new Map<string, Properties>();
  /** `-object` that stand for entropy of the host. */
  readonly entropySources = new Set<string>();
  /** `-accel`, each a try. */
  readonly accelerators: Properties[] = [];
  readonly netdevs: Properties[] = [];
  readonly nics: Properties[] = [];
  readonly globals: Global[] = [];
  isSnapshot = false;
  readonly chardevs: Properties[] = [];
  readonly serials: string[] = [];
  /** `-monitor` and `-mon`: where they are, and `control` for QMP, which there is not. */
  readonly monitors: string[] = [];
  isGraphic = true;
  /** `-display none`. */
  isBlind = false;
  hasDefaults = true;
  /** The key that begins a command of the multiplexed terminal; Ctrl-A. */
  escapeKey = 1;
  semihosting: Properties | undefined;
  gdb: string | undefined;
  /** `-vnc`, whose first word is where. */
  vnc: Properties | undefined;
  isFrozen = false;
  reboots = true;
  readonly logItems: string[] = [];
  logFile: string | undefined;
  pidFile: string | undefined;
  rtc = Properties.of('-rtc', '');
  name: string | undefined;
  uuid: string | undefined;
  isVerbose = false;
  /** What is printed in place of a machine; the first that was asked for. */
  shows: Shown | undefined;

  /** What was asked for and makes no difference, for --verbose. */
  readonly notes: string[] = [];

  show(what: Shown): void {
    this.shows ??= what;
  }

  /** What was asked for, does something in QEMU, and nothing here. */
  readonly warnings: string[] = [];

  warn(where: string, why: string): void {
    this.warnings.push(`${where}: ${why}`);
  }

  note(where: string, why: string): void {
    this.notes.push(`${where}: ${why}`);
  }
}
