import { reasonCode, reasonOf } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import { type Finding, finding } from './findings';
import type { DoctorHost } from './host';
import { shownAddress } from './private-details';

const MiB = 2 ** 20;
const GiB = 2 ** 30;
/** The oldest Electron that the build is made for (electron.vite.config.ts). */
const OLDEST_ELECTRON = 33;
/** Less memory than this is little for one box, in bytes. */
const LITTLE_MEMORY = GiB;
/** What V8 reserves for the memory of one machine at least, in bytes: 4 GiB of memory, 2 GiB on each side that no access gets past, and all else. */
const ADDRESSES = 16 * GiB;
/** A box with shares and a busy network has some hundred files open. */
const FEW_FILES = 512;
const LITTLE_ROOM = 2 * GiB;
const NO_ROOM = 256 * MiB;
/** Slower than a USB stick, in bytes a second. */
const SLOW_DISK = 20 * MiB;
const PROXIES = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy'];

export type Check = (host: DoctorHost) => Promise<Finding[]>;

const why = (error: unknown): string => (error instanceof VmError ? error.message.replace(/\.$/, '') : reasonOf(error));

/** Whether a version such as `20.20.1` lies in a range such as `^20.19.0 || >=24.0.0`. */
export function isInRange(version: string, range: string): boolean {
  const [major, minor] = version.split('.').map(Number);
  return range.split('||').some((part) => {
    const match = /^\s*(\^|>=)(\d+)\.(\d+)\./.exec(part);
    if (!match) return false;
    const [least, leastMinor] = [Number(match[2]), Number(match[3])];
    if (major === least) return minor >= leastMinor;
    return match[1] === '>=' && major > least;
  });
}

const program: Check = async ({ versions: { node, electron }, args, nodeRange }) => {
  if (electron !== undefined) {
    const isOld = Number.parseInt(electron, 10) < OLDEST_ELECTRON;
    return [
      finding(isOld ? 'electron-old' : 'electron', { electron, node, wanted: OLDEST_ELECTRON }),
      ...(args.includes('--no-sandbox') ? [finding('page-sandbox-off')] : []),
    ];
  }
  if (isInRange(node, nodeRange)) return [finding('node', { node })];
  return [finding('node-untested', { node, wanted: nodeRange.replaceAll('||', 'or') })];
};

const v8: Check = async (host) => {
  const verdict = await host.v8Verdict();
  const has = host.features();
  // In Node 20 it is there for processes that set its flag, as those with harts do.
  const relaxedSimd = has.relaxedSimd || verdict.flags.includes('--experimental-wasm-relaxed-simd');
  const features = {
    threads: has.threads,
    SIMD: has.simd,
    'relaxed SIMD': relaxedSimd,
    memory64: has.memory64,
    'tail calls': has.tailCalls,
  };
  const present = Object.entries(features).flatMap(([name, is]) => (is ? [name] : []));
  return [
    ...(present.length > 0 ? [finding('v8-features', { v8: host.versions.v8, features: present.join(', ') })] : []),
    ...(has.threads ? [] : [finding('threads-missing')]),
    ...(has.simd ? [] : [finding('simd-missing')]),
    ...(relaxedSimd ? [] : [finding('relaxed-simd-missing')]),
    ...(has.memory64 ? [] : [finding('memory64-missing')]),
    ...(has.tailCalls ? [] : [finding('tail-calls-missing')]),
    verdict.failure !== undefined
      ? finding('v8-flags-refused', { why: verdict.failure })
      : verdict.flags.length > 0
        ? finding('v8-flags', { flags: verdict.flags.length })
        : finding('v8-flags-none'),
  ];
};

/** What cgroups, the second version or the first, say of this process; undefined where there is no limit. */
async function cgroup(host: DoctorHost): Promise<{ processors?: number; memory?: number }> {
  if (host.platform !== 'linux') return {};
  const root = '/sys/fs/cgroup';
  /** The part of the hierarchy that a line of /proc/self/cgroup names; all above it counts too. */
  const own = /^0::(\/.*)$/m.exec((await host.systemFile('/proc/self/cgroup')) ?? '')?.[1] ?? '/';
  const parts = own.split('/').filter((part) => part !== '' && part !== '..');
  const folders = [root, ...parts.map((_, at) => `${root}/${parts.slice(0, at + 1).join('/')}`)];
  const amounts = async (name: string): Promise<string[]> =>
    (await Promise.all(folders.map((folder) => host.systemFile(`${folder}/${name}`)))).filter((text) => text !== undefined);
  const first = async (name: string): Promise<number> => Number((await host.systemFile(`${root}/${name}`)) ?? Number.NaN);
  const shares = (await amounts('cpu.max')).map((text) => {
    const [quota, period] = text.trim().split(/\s+/).map(Number);
    return quota / period;
  });
  shares.push((await first('cpu/cpu.cfs_quota_us')) / (await first('cpu/cpu.cfs_period_us')));
  const limits = (await amounts('memory.max')).map(Number);
  limits.push(await first('memory/memory.limit_in_bytes'));
  const least = (values: number[]): number | undefined => {
    const known = values.filter((value) => Number.isFinite(value) && value > 0);
    return known.length > 0 ? Math.min(...known) : undefined;
  };
  return { processors: least(shares), memory: least(limits) };
}

const computer: Check = async (host) => {
  const count = host.processors();
  const { free, total } = host.memory();
  const limits = await cgroup(host);
  const found = [count > 1 ? finding('processors', { count }) : finding('processor-single')];
  if (limits.processors !== undefined && limits.processors < count)
    found.push(finding('processor-limit', { share: Math.round(limits.processors * 100) / 100, count }));
  // macOS counts as used what it would give up at once.
  const isLow = free < LITTLE_MEMORY && host.platform !== 'darwin';
  found.push(finding(isLow ? 'memory-low' : 'memory', { freeBytes: free, totalBytes: total }));
  if (limits.memory !== undefined && limits.memory < total) found.push(finding('memory-limit', { limitBytes: limits.memory }));
  return found;
};

/** A soft limit of this process by its name in /proc/self/limits; undefined where there is none, or it cannot be told. */
function softLimit(text: string, name: string): number | undefined {
  const value = Number(new RegExp(`^${name}\\s+(\\S+)`, 'm').exec(text)?.[1]);
  return Number.isFinite(value) ? value : undefined;
}

const limits: Check = async (host) => {
  const text = (host.platform === 'linux' && (await host.systemFile('/proc/self/limits'))) || '';
  const addresses = softLimit(text, 'Max address space');
  const files = softLimit(text, 'Max open files');
  return [
    ...(addresses !== undefined && addresses < ADDRESSES ? [finding('address-limit', { limitBytes: addresses })] : []),
    ...(files === undefined ? [] : [finding(files < FEW_FILES ? 'open-files-low' : 'open-files', { count: files })]),
  ];
};

const disk: Check = async (host) => {
  const folder = host.dataFolder;
  try {
    await host.writeDataFolder();
  } catch (error) {
    return [finding('data-folder-unusable', { folder, why: why(error) })];
  }
  const found = [finding('data-folder', { folder })];
  const freeBytes = await host.diskRoom();
  found.push(finding(freeBytes < NO_ROOM ? 'disk-full' : freeBytes < LITTLE_ROOM ? 'disk-room-low' : 'disk-room', { freeBytes }));
  // The probe would take what little there is.
  if (freeBytes < NO_ROOM) return found;
  const speedBytes = Math.round(await host.diskSpeed());
  return [...found, finding(speedBytes < SLOW_DISK ? 'disk-slow' : 'disk-speed', { speedBytes })];
};

const boxes: Check = async (host) => {
  const recovered = await host.recover();
  const cleaned = recovered.filter(({ what }) => what !== 'interrupted' && what !== 'failed').reduce((sum, { count }) => sum + count, 0);
  const interrupted = recovered.flatMap(({ what, names }) => (what === 'interrupted' ? names : []));
  const stuck = recovered.filter(({ what }) => what === 'failed');
  const all = await host.boxes();
  const bad = (kind: string) => all.filter(({ problem }) => problem?.kind === kind);
  const names = (some: { name: string }[]): string => some.map(({ name }) => name).join(', ');
  const [unusable, unreachable] = [bad('unusable'), bad('unreachable')];
  return [
    unusable.length > 0 ? finding('boxes-unusable', { names: names(unusable) }) : finding('boxes', { count: all.length }),
    ...(unreachable.length > 0
      ? [finding('boxes-unreachable', { names: names(unreachable), why: unreachable.map(({ problem }) => problem?.why).join(' ') })]
      : []),
    ...(recovered.length === 0 ? [finding('leftovers-none')] : []),
    ...(cleaned > 0 ? [finding('leftovers-cleaned', { count: cleaned })] : []),
    ...(interrupted.length > 0 ? [finding('boxes-interrupted', { names: interrupted.join(', ') })] : []),
    ...(stuck.length > 0 ? [finding('leftovers-stuck', { why: stuck.map(({ message }) => message).join(' ') })] : []),
  ];
};

const guest: Check = async (host) => [finding((await host.hasGuest()) ? 'guest' : 'guest-missing')];

const names: Check = async (host) => {
  const count = host.nameServers().length;
  return [count > 0 ? finding('resolver', { count }) : finding('resolver-none')];
};

const mirror: Check = async (host) => {
  let mirrors: string[];
  try {
    mirrors = await host.mirrors();
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    return [finding('mirror-wrong', { mirror: shownAddress(String(error.params?.['mirror'] ?? '')) })];
  }
  const answers = await Promise.all(
    mirrors.map((one) =>
      host.askMirror(one).then(
        () => undefined,
        (error: unknown) => error ?? new Error('no answer'),
      ),
    ),
  );
  const good = answers.indexOf(undefined);
  if (good >= 0) return [finding('mirror', { mirror: shownAddress(mirrors[good]) })];
  const reasons = mirrors.map((one, at) => `${shownAddress(one)}: ${why(answers[at])}`).join('; ');
  return [finding((await host.hasGuest()) ? 'mirror-unreachable' : 'mirror-needed', { why: reasons })];
};

const proxy: Check = async ({ env }) => {
  const variable = PROXIES.find((name) => env[name]);
  if (variable === undefined || env['NODE_USE_ENV_PROXY'] === '1') return [];
  return [finding('proxy-unused', { variable, proxy: shownAddress(env[variable] as string) })];
};

const ports: Check = async (host) => {
  try {
    await host.listen();
  } catch (error) {
    return [finding('ports-refused', { why: why(error) })];
  }
  const first = Number((host.platform === 'linux' && (await host.systemFile('/proc/sys/net/ipv4/ip_unprivileged_port_start'))) || 0);
  return [finding('ports'), ...(first > 0 && !host.isRoot ? [finding('ports-low', { first })] : [])];
};

const tap: Check = async (host) => {
  if (host.platform !== 'linux') return [];
  try {
    await host.openTun();
    return [finding('tap')];
  } catch (error) {
    const isMissing = ['ENOENT', 'ENODEV', 'ENXIO'].includes(reasonCode(error));
    return [isMissing ? finding('tap-missing') : finding('tap-denied', { why: why(error) })];
  }
};

/** Names that programs which draw by the processor give themselves. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

const graphics: Check = async ({ graphics: drawn }) => {
  if (!drawn) return [];
  const { renderer } = drawn;
  if (renderer === null) return [finding('webgl-missing')];
  return [finding(SOFTWARE.test(renderer) ? 'webgl-software' : 'webgl', { renderer })];
};

/** All that the Doctor looks at, by what it is called where it fails. */
export const CHECKS: Readonly<Record<string, Check>> = {
  program,
  v8,
  computer,
  limits,
  disk,
  boxes,
  guest,
  names,
  mirror,
  proxy,
  ports,
  tap,
  graphics,
};
