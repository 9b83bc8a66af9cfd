/**
 * All that the Doctor can find, in the order in which it is shown: the one list of ids, each with its English texts, which come along with a
 * finding. Other languages stand in renderer/locales/doctor, by the same ids. Values in braces come with a finding; those called `…Bytes` are amounts.
 */

/** ok: as it should be. note: good to know, nothing to do. warning: something is slower or missing. problem: Hartbox cannot work so. */
export type Severity = 'ok' | 'note' | 'warning' | 'problem';
export const AREAS = ['program', 'computer', 'disk', 'boxes', 'network', 'graphics', 'doctor'] as const;
export type Area = (typeof AREAS)[number];

interface FindingTexts {
  readonly area: Area;
  readonly severity: Severity;
  /** What was found, and what that means. */
  readonly text: string;
  /** What to do. */
  readonly advice?: string;
}

export const FINDINGS = {
  node: { area: 'program', severity: 'ok', text: 'Node {node} runs Hartbox.' },
  'node-untested': {
    area: 'program',
    severity: 'problem',
    text: 'Node {node} is none of those that Hartbox runs on ({wanted}). Machines may be slow, or not start.',
    advice: 'Install one of those from nodejs.org.',
  },
  electron: { area: 'program', severity: 'ok', text: 'Electron {electron} with Node {node} runs Hartbox.' },
  'electron-old': {
    area: 'program',
    severity: 'problem',
    text: 'Electron {electron} is older than {wanted}, the oldest that Hartbox runs on.',
    advice: 'Install the current Hartbox, which brings its own.',
  },
  'page-sandbox-off': {
    area: 'program',
    severity: 'note',
    text: "The app was started with --no-sandbox, as an AppImage does where programs may make no user namespaces: Chromium's sandbox is not between its pages and your files.",
    advice:
      'Install the .deb or the .rpm, or let programs make user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu).',
  },
  'v8-features': { area: 'program', severity: 'ok', text: 'The JavaScript engine (V8 {v8}) has what machines use: {features}.' },
  'threads-missing': {
    area: 'program',
    severity: 'problem',
    text: 'The JavaScript engine has no memory that threads share (WebAssembly threads). No machine can run.',
    advice: 'Use a Node or Electron without switches that turn it off.',
  },
  'simd-missing': {
    area: 'program',
    severity: 'warning',
    text: 'The JavaScript engine has no WebAssembly SIMD: the processor is too old, or a switch turns it off. Machines run slower.',
    advice: 'Look for --no-… switches in NODE_OPTIONS.',
  },
  'relaxed-simd-missing': {
    area: 'program',
    severity: 'note',
    text: 'The JavaScript engine has no relaxed SIMD: fused multiply-add of floating-point numbers is calculated step by step, right but slower.',
  },
  'memory64-missing': {
    area: 'program',
    severity: 'note',
    text: 'The JavaScript engine has no 64-bit WebAssembly memory. Hartbox does not need it.',
  },
  'tail-calls-missing': {
    area: 'program',
    severity: 'note',
    text: 'The JavaScript engine has no WebAssembly tail calls. Hartbox does not need them.',
  },
  'v8-flags': { area: 'program', severity: 'ok', text: 'The settings of V8 that make harts fast passed their trial: {flags} are in use.' },
  'v8-flags-none': {
    area: 'program',
    severity: 'note',
    text: 'No settings of V8 that make harts fast are in use, as HARTBOX_V8_FLAGS says.',
    advice: 'Unset HARTBOX_V8_FLAGS to have them.',
  },
  'v8-flags-refused': {
    area: 'program',
    severity: 'warning',
    text: 'The settings of V8 that make harts fast are not in use. {why}',
    advice: 'Look once more when the computer is less busy; else a newer Hartbox, or another version of Node, may help.',
  },

  processors: { area: 'computer', severity: 'ok', text: '{count} processors can be used.' },
  'processor-single': {
    area: 'computer',
    severity: 'note',
    text: 'One processor can be used. Harts, their translator and all else take turns, so machines run slower.',
  },
  'processor-limit': {
    area: 'computer',
    severity: 'note',
    text: 'A limit of the system (cgroup) leaves {share} of {count} processors to Hartbox.',
    advice: 'Give boxes no more harts than that, or raise the limit of the container or service.',
  },
  memory: { area: 'computer', severity: 'ok', text: '{freeBytes} of {totalBytes} memory are free.' },
  'memory-low': {
    area: 'computer',
    severity: 'warning',
    text: 'Only {freeBytes} of {totalBytes} memory are free. A box with 512 MB takes about 800 MB.',
    advice: 'Close other programs, or give boxes less memory.',
  },
  'memory-limit': {
    area: 'computer',
    severity: 'note',
    text: 'A limit of the system (cgroup) leaves {limitBytes} of memory to Hartbox. Boxes that take more are ended by force.',
    advice: 'Keep the memory of all boxes that run well below it.',
  },
  'address-limit': {
    area: 'computer',
    severity: 'problem',
    text: 'A process may have {limitBytes} of addresses (ulimit -v). V8 reserves more than that for the memory of a machine, which then does not start.',
    advice: 'Set ulimit -v unlimited.',
  },
  'open-files': { area: 'computer', severity: 'ok', text: 'A process may have {count} files open.' },
  'open-files-low': {
    area: 'computer',
    severity: 'warning',
    text: 'A process may have only {count} files open. Shared folders and networks of a box can need more.',
    advice: 'Raise the limit, such as by ulimit -n 4096.',
  },

  'data-folder': { area: 'disk', severity: 'ok', text: 'The data folder {folder} can be written.' },
  'data-folder-unusable': {
    area: 'disk',
    severity: 'problem',
    text: 'The data folder {folder} cannot be used: {why}.',
    advice: 'Make it writable, or set HARTBOX_HOME to another folder.',
  },
  'disk-room': { area: 'disk', severity: 'ok', text: '{freeBytes} are free on the disk of the data folder.' },
  'disk-room-low': {
    area: 'disk',
    severity: 'warning',
    text: 'Only {freeBytes} are free on the disk of the data folder. Disks of boxes grow as guests write to them.',
    advice: 'Free some space; hartbox trash empty deletes removed boxes for good.',
  },
  'disk-full': {
    area: 'disk',
    severity: 'problem',
    text: 'Only {freeBytes} are free on the disk of the data folder. Boxes will stop as soon as their guests write.',
    advice: 'Free some space; hartbox trash empty deletes removed boxes for good.',
  },
  'disk-speed': { area: 'disk', severity: 'ok', text: 'The disk of the data folder took {speedBytes} a second.' },
  'disk-slow': {
    area: 'disk',
    severity: 'warning',
    text: 'The disk of the data folder took only {speedBytes} a second, so boxes wait for it. It may be a network drive, be busy, or have a virus scanner look at all that is written.',
    advice: 'Set HARTBOX_HOME to a folder on a local disk, or have the virus scanner leave the data folder out.',
  },

  boxes: { area: 'boxes', severity: 'ok', text: 'The settings of all boxes can be read: {count}.' },
  'boxes-unusable': {
    area: 'boxes',
    severity: 'warning',
    text: 'The settings of these boxes cannot be used: {names}.',
    advice: 'hartbox list says what is wrong with each.',
  },
  'boxes-unreachable': {
    area: 'boxes',
    severity: 'warning',
    text: 'Something holds these boxes and does not answer: {names}. {why}',
    advice: 'If that process is gone, delete the lock that is named there.',
  },
  'leftovers-none': { area: 'boxes', severity: 'ok', text: 'Work that was ended has left nothing behind.' },
  'leftovers-cleaned': {
    area: 'boxes',
    severity: 'note',
    text: 'Left-overs of work that was ended have just been cleaned away: {count}.',
  },
  'boxes-interrupted': {
    area: 'boxes',
    severity: 'note',
    text: 'These boxes were running when what ran them was ended: {names}. Their disks are as their guests last wrote them.',
  },
  'leftovers-stuck': {
    area: 'boxes',
    severity: 'warning',
    text: 'Left-overs of work that was ended cannot be cleaned away. {why}',
    advice: 'Look at the owner and permissions of the data folder.',
  },
  guest: { area: 'boxes', severity: 'ok', text: 'The built-in Linux is there; it starts without a network.' },
  'guest-missing': {
    area: 'boxes',
    severity: 'note',
    text: 'The built-in Linux is not there yet. The first start of a box with it fetches some 115 MB from a Debian mirror.',
    advice: 'hartbox setup fetches it now.',
  },

  resolver: { area: 'network', severity: 'ok', text: 'The system names servers for names of computers: {count}.' },
  'resolver-none': {
    area: 'network',
    severity: 'warning',
    text: 'The system names no server for names of computers. Guests cannot look any up.',
    advice: 'Look at the network settings of the system (on Linux, /etc/resolv.conf).',
  },
  mirror: { area: 'network', severity: 'ok', text: 'The Debian mirror {mirror} answers.' },
  'mirror-unreachable': {
    area: 'network',
    severity: 'note',
    text: 'No Debian mirror answers ({why}). What is there already works; stock firmware and updates cannot be fetched.',
    advice: 'Check the network, or set HARTBOX_DEBIAN_MIRROR to a mirror that can be reached.',
  },
  'mirror-needed': {
    area: 'network',
    severity: 'warning',
    text: 'No Debian mirror answers ({why}), so the built-in Linux cannot be fetched. Boxes with images of their own work.',
    advice: 'Check the network, or set HARTBOX_DEBIAN_MIRROR to a mirror that can be reached.',
  },
  'mirror-wrong': {
    area: 'network',
    severity: 'problem',
    text: 'HARTBOX_DEBIAN_MIRROR is {mirror}, which is no address of a mirror.',
    advice: 'Set it to an address like https://ftp.debian.org/debian, or unset it.',
  },
  'proxy-unused': {
    area: 'network',
    severity: 'note',
    text: '{variable} names the proxy {proxy}. Hartbox fetches without it, and guests know nothing of it.',
    advice:
      'Where there is no other way out, set HARTBOX_DEBIAN_MIRROR to a mirror inside; Node 24 and newer take proxies with NODE_USE_ENV_PROXY=1.',
  },
  ports: { area: 'network', severity: 'ok', text: 'Ports of this computer can be forwarded into boxes.' },
  'ports-low': {
    area: 'network',
    severity: 'note',
    text: 'Ports below {first} can be forwarded by the administrator only.',
    advice: 'Forward a higher one, such as 8080 for 80.',
  },
  'ports-refused': {
    area: 'network',
    severity: 'warning',
    text: 'The system lets no program listen at 127.0.0.1 ({why}). Ports cannot be forwarded into boxes, and debuggers cannot attach.',
    advice: 'Look at firewalls and sandboxes.',
  },
  tap: { area: 'network', severity: 'ok', text: 'This user may open /dev/net/tun, which adapters of the host (TAP) need.' },
  'tap-missing': {
    area: 'network',
    severity: 'note',
    text: 'There is no /dev/net/tun, which adapters of the host (TAP) need. NAT, the default, works without.',
  },
  'tap-denied': {
    area: 'network',
    severity: 'note',
    text: 'This user may not open /dev/net/tun ({why}), which adapters of the host (TAP) need. NAT, the default, works without.',
  },

  webgl: { area: 'graphics', severity: 'ok', text: 'The window draws with the graphics processor: {renderer}.' },
  'webgl-software': {
    area: 'graphics',
    severity: 'note',
    text: 'The window draws without a graphics processor: {renderer}. Terminals and screens cost more of the processors.',
    advice: 'Look for a driver of the graphics processor. In a virtual machine that is how it is.',
  },
  'webgl-missing': {
    area: 'graphics',
    severity: 'warning',
    text: 'The window has no WebGL. Terminals are drawn in a slower way.',
    advice: 'Look for a driver of the graphics processor.',
  },

  'check-failed': {
    area: 'doctor',
    severity: 'warning',
    text: 'The Doctor could not look at this: {check}. {why}',
    advice: 'Tell the developers, with the report.',
  },
  'check-late': {
    area: 'doctor',
    severity: 'warning',
    text: 'The Doctor waited {seconds} seconds for this, in vain: {check}.',
    advice: 'The computer may be busy; try once more.',
  },
} as const satisfies Record<string, FindingTexts>;

export type FindingId = keyof typeof FINDINGS;
export type FindingParams = Readonly<Record<string, string | number>>;

/** One thing that was found: what it is, and the values in its texts. */
export interface Finding {
  readonly id: FindingId;
  readonly area: Area;
  readonly severity: Severity;
  readonly params: FindingParams;
  /** In English, with the values in it. */
  readonly text: string;
  readonly advice?: string;
}

const UNITS = [
  ['GB', 2 ** 30],
  ['MB', 2 ** 20],
  ['KB', 2 ** 10],
] as const;

/** Bytes as the texts above say them. */
function amount(bytes: number): string {
  const [unit, size] = UNITS.find(([, one]) => bytes >= one) ?? ['bytes', 1];
  return `${Number((bytes / size).toFixed(size === 2 ** 30 ? 1 : 0))} ${unit}`;
}

/** A finding by its id. */
export function finding(id: FindingId, params: FindingParams = {}): Finding {
  const { area, severity, text, advice }: FindingTexts = FINDINGS[id];
  const filled = (template: string): string =>
    template.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = params[name];
      if (value === undefined) return whole;
      return typeof value === 'number' && name.endsWith('Bytes') ? amount(value) : String(value);
    });
  return { id, area, severity, params, text: filled(text), ...(advice !== undefined && { advice: filled(advice) }) };
}
