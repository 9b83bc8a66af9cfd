import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VmError } from '../errors/vm-error';
import { isInRange } from './checks';
import { diagnose } from './doctor';
import { FINDINGS, type FindingId, type FindingParams, finding } from './findings';
import type { DoctorHost } from './host';
import { nodeHost } from './node-host';
import { type PrivateDetails, shownAddress, withoutPrivateDetails } from './private-details';
import { reportText } from './report';

const GiB = 2 ** 30;
const refused = (code: string) => (): Promise<never> => Promise.reject(Object.assign(new Error(`${code}: refused`), { code }));
const LIMITS =
  'Limit   Soft Limit  Hard Limit  Units\nMax open files   1024   4096   files\nMax address space   unlimited   unlimited   bytes\n';

/** A computer on which all is well, but for what a test says; `files` are the system's. */
function host({ files = {}, ...changes }: Partial<DoctorHost> & { files?: Record<string, string> } = {}): DoctorHost {
  const system: Record<string, string> = { '/proc/self/limits': LIMITS, '/proc/self/cgroup': '0::/a.slice/b.scope\n', ...files };
  return {
    versions: { node: '22.14.0', v8: '12.4' },
    args: ['node', 'hartbox'],
    nodeRange: '^20.19.0 || ^22.13.0 || >=24.0.0',
    platform: 'linux',
    isRoot: false,
    env: {},
    dataFolder: '/home/ada/.local/share/hartbox',
    features: () => ({ threads: true, simd: true, relaxedSimd: true, memory64: true, tailCalls: true }),
    v8Verdict: () => Promise.resolve({ flags: ['--a', '--b'] }),
    processors: () => 4,
    memory: () => ({ free: 8 * GiB, total: 16 * GiB }),
    systemFile: (path) => Promise.resolve(system[path]),
    writeDataFolder: () => Promise.resolve(),
    diskRoom: () => Promise.resolve(100 * GiB),
    diskSpeed: () => Promise.resolve(500 * 2 ** 20),
    recover: () => Promise.resolve([]),
    boxes: () => Promise.resolve([{ name: 'Debian' }]),
    hasGuest: () => Promise.resolve(true),
    nameServers: () => ['10.0.0.1'],
    mirrors: () => Promise.resolve(['http://a/debian', 'http://b/debian']),
    askMirror: () => Promise.resolve(),
    listen: () => Promise.resolve(),
    openTun: () => Promise.resolve(),
    graphics: { renderer: 'ANGLE (Intel UHD)' },
    ...changes,
  };
}

const noFeatures = { threads: false, simd: false, relaxedSimd: false, memory64: false, tailCalls: false };
const recovered = (what: 'interrupted' | 'failed' | 'half-made', names: string[] = []) => [
  { what, names, count: Math.max(1, names.length), message: 'It is stuck.' },
];

/** How each finding comes about; `params` are some of its values. */
const CAUSES: [FindingId, Partial<DoctorHost> & { files?: Record<string, string> }, FindingParams?][] = [
  ['node', {}, { node: '22.14.0' }],
  ['node-untested', { versions: { node: '21.7.0', v8: '11' } }, { node: '21.7.0' }],
  ['electron', { versions: { node: '20.18.0', v8: '13', electron: '33.2.1' } }, { electron: '33.2.1' }],
  ['electron-old', { versions: { node: '18.0.0', v8: '11', electron: '32.9.0' } }, { wanted: 33 }],
  ['page-sandbox-off', { versions: { node: '20.18.0', v8: '13', electron: '33.2.1' }, args: ['hartbox', '--no-sandbox'] }],
  ['v8-features', {}, { features: 'threads, SIMD, relaxed SIMD, memory64, tail calls' }],
  ['threads-missing', { features: () => noFeatures }],
  ['simd-missing', { features: () => noFeatures }],
  ['relaxed-simd-missing', { features: () => noFeatures }],
  ['memory64-missing', { features: () => noFeatures }],
  ['tail-calls-missing', { features: () => noFeatures }],
  ['v8-flags', {}, { flags: 2 }],
  ['v8-flags-none', { v8Verdict: () => Promise.resolve({ flags: [] }) }],
  ['v8-flags-refused', { v8Verdict: () => Promise.resolve({ flags: [], failure: 'It dies.' }) }, { why: 'It dies.' }],
  ['processors', {}, { count: 4 }],
  ['processor-single', { processors: () => 1 }],
  // The limit of any group above counts.
  ['processor-limit', { files: { '/sys/fs/cgroup/a.slice/cpu.max': '150000 100000\n' } }, { share: 1.5, count: 4 }],
  [
    'processor-limit',
    { files: { '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '50000', '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000' } },
    { share: 0.5 },
  ],
  ['memory', {}, { freeBytes: 8 * GiB, totalBytes: 16 * GiB }],
  ['memory-low', { memory: () => ({ free: GiB - 1, total: 16 * GiB }) }, { freeBytes: GiB - 1 }],
  ['memory-limit', { files: { '/sys/fs/cgroup/a.slice/b.scope/memory.max': `${2 * GiB}\n` } }, { limitBytes: 2 * GiB }],
  ['address-limit', { files: { '/proc/self/limits': LIMITS.replace('space   unlimited', `space   ${8 * GiB}`) } }, { limitBytes: 8 * GiB }],
  ['open-files', {}, { count: 1024 }],
  ['open-files-low', { files: { '/proc/self/limits': LIMITS.replace('1024', '256') } }, { count: 256 }],
  ['data-folder', {}, { folder: '/home/ada/.local/share/hartbox' }],
  ['data-folder-unusable', { writeDataFolder: refused('EACCES') }, { folder: '/home/ada/.local/share/hartbox' }],
  ['disk-room', {}, { freeBytes: 100 * GiB }],
  ['disk-room-low', { diskRoom: () => Promise.resolve(GiB) }, { freeBytes: GiB }],
  ['disk-full', { diskRoom: () => Promise.resolve(2 ** 20) }, { freeBytes: 2 ** 20 }],
  ['disk-speed', {}, { speedBytes: 500 * 2 ** 20 }],
  ['disk-slow', { diskSpeed: () => Promise.resolve(2 ** 20) }, { speedBytes: 2 ** 20 }],
  ['boxes', {}, { count: 1 }],
  ['boxes-unusable', { boxes: () => Promise.resolve([{ name: 'a', problem: { kind: 'unusable', why: '' } }]) }, { names: 'a' }],
  [
    'boxes-unreachable',
    { boxes: () => Promise.resolve([{ name: 'a', problem: { kind: 'unreachable', why: 'Lock.' } }]) },
    { names: 'a', why: 'Lock.' },
  ],
  ['leftovers-none', {}],
  ['leftovers-cleaned', { recover: () => Promise.resolve(recovered('half-made')) }, { count: 1 }],
  ['boxes-interrupted', { recover: () => Promise.resolve(recovered('interrupted', ['A', 'B'])) }, { names: 'A, B' }],
  ['leftovers-stuck', { recover: () => Promise.resolve(recovered('failed')) }, { why: 'It is stuck.' }],
  ['guest', {}],
  ['guest-missing', { hasGuest: () => Promise.resolve(false) }],
  ['resolver', {}, { count: 1 }],
  ['resolver-none', { nameServers: () => [] }],
  // One that answers is enough.
  ['mirror', { askMirror: (url) => (url.includes('//a/') ? refused('ENOTFOUND')() : Promise.resolve()) }, { mirror: 'http://b/debian' }],
  ['mirror-unreachable', { askMirror: refused('ENOTFOUND') }],
  ['mirror-needed', { askMirror: refused('ENOTFOUND'), hasGuest: () => Promise.resolve(false) }],
  [
    'mirror-wrong',
    { mirrors: () => Promise.reject(VmError.config('No.', { code: 'mirror-wrong', params: { mirror: 'me:secret@here' } })) },
    { mirror: '"…@here"' },
  ],
  ['proxy-unused', { env: { http_proxy: 'http://me:secret@proxy:3128/' } }, { variable: 'http_proxy', proxy: 'http://proxy:3128' }],
  ['ports', {}],
  ['ports-low', { files: { '/proc/sys/net/ipv4/ip_unprivileged_port_start': '1024\n' } }, { first: 1024 }],
  ['ports-refused', { listen: refused('EPERM') }],
  ['tap', {}],
  ['tap-missing', { openTun: refused('ENOENT') }],
  ['tap-denied', { openTun: refused('EACCES') }],
  ['webgl', {}, { renderer: 'ANGLE (Intel UHD)' }],
  ['webgl-software', { graphics: { renderer: 'ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device))' } }],
  ['webgl-missing', { graphics: { renderer: null } }],
  ['check-failed', { nameServers: () => { throw new Error('No resolver.'); } }, { check: 'names', why: 'No resolver.' }], // biome-ignore format: one row
  ['check-late', { hasGuest: () => new Promise(() => undefined) }, { check: 'guest' }],
];

describe('the Doctor', () => {
  it.each(CAUSES)('finds %s', async (id, changes, params = {}) => {
    const { findings } = await diagnose(host(changes), { patience: 50 });
    const found = findings.find((one) => one.id === id);
    expect(found).toMatchObject({ id, severity: FINDINGS[id].severity, params });
    // Every value that its texts name is there.
    expect(`${found?.text} ${found?.advice}`).not.toMatch(/\{\w+\}/);
  });

  it('can be brought to every finding', () => {
    expect([...new Set(CAUSES.map(([id]) => id))].sort()).toEqual(Object.keys(FINDINGS).sort());
  });

  it('finds nothing but what is well where all is well, each but once', async () => {
    const { worst, findings } = await diagnose(host());
    expect(worst).toBe('ok');
    expect(new Set(findings.map(({ id }) => id)).size).toBe(findings.length);
    expect(findings.filter(({ severity }) => severity !== 'ok')).toEqual([]);
  });

  it('says the worst', async () => {
    expect((await diagnose(host({ openTun: refused('ENOENT') }))).worst).toBe('note');
    expect((await diagnose(host({ nameServers: () => [] }))).worst).toBe('warning');
    expect((await diagnose(host({ nameServers: () => [], writeDataFolder: refused('EACCES') }))).worst).toBe('problem');
  });

  it('takes relaxed SIMD for there where harts set the flag for it', async () => {
    const { findings } = await diagnose(
      host({
        features: () => ({ ...noFeatures, threads: true, simd: true }),
        v8Verdict: () => Promise.resolve({ flags: ['--experimental-wasm-relaxed-simd'] }),
      }),
    );
    expect(findings.map(({ id }) => id)).not.toContain('relaxed-simd-missing');
  });

  it('does not write to a disk that is full', async () => {
    let probes = 0;
    const diskSpeed = (): Promise<number> => Promise.resolve(++probes);
    await diagnose(host({ diskRoom: () => Promise.resolve(0), diskSpeed }));
    expect(probes).toBe(0);
    await diagnose(host({ diskSpeed }));
    expect(probes).toBe(1);
  });

  it.each([
    ['20.19.0', true],
    ['20.18.9', false],
    ['21.9.0', false],
    ['22.13.1', true],
    ['23.0.0', false],
    ['24.0.0', true],
    ['31.2.0', true],
  ])('takes Node %s for one of the range: %s', (version, is) => {
    expect(isInRange(version, '^20.19.0 || ^22.13.0 || >=24.0.0')).toBe(is);
  });
});

describe('the computer of this process', () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'hartbox-doctor-'));
  });
  afterEach(() => rm(home, { recursive: true, force: true }));
  const here = () => nodeHost({ dataFolder: home, verdict: () => Promise.resolve({ flags: [] }) });

  it('answers all that is asked, and keeps nothing of the probes', async () => {
    const offline = { ...here(), mirrors: () => Promise.resolve(['http://127.0.0.1:9/debian']) };
    const { findings } = await diagnose(offline);
    const ids = findings.map(({ id }) => id);
    expect(ids).not.toContain('check-failed');
    expect(ids).toEqual(expect.arrayContaining(['v8-features', 'data-folder', 'boxes', 'guest-missing', 'mirror-needed', 'ports']));
    expect(findings.find(({ id }) => id === 'v8-features')?.params['features']).toMatch(/^threads, SIMD/);
    expect((await readdir(home)).filter((name) => name.includes('doctor') || name.includes('.part-'))).toEqual([]);
    expect(await readdir(join(home, 'unfinished')).catch(() => [])).toEqual([]);
  });

  it('sees a box whose settings are damaged', async () => {
    await mkdir(join(home, 'machines', 'bad'), { recursive: true });
    await writeFile(join(home, 'machines', 'bad', 'config.json'), '{');
    expect((await here().boxes()).filter(({ problem }) => problem)).toMatchObject([{ name: 'bad', problem: { kind: 'unusable' } }]);
  });

  it('says why a data folder cannot be used', async () => {
    await writeFile(join(home, 'file'), '');
    const { findings } = await diagnose({ ...nodeHost({ dataFolder: join(home, 'file', 'x') }), mirrors: () => Promise.resolve([]) });
    expect(findings.find(({ area }) => area === 'disk')?.id).toBe('data-folder-unusable');
  });
});

describe('a report', () => {
  const name = fc.stringMatching(/^[a-zäöüßñ0-9_-][a-zA-Zäöüßñ0-9._-]{1,11}$/);
  const secret = fc.stringMatching(/^[a-zA-Z0-9@/:#?%!$]{4,12}$/);
  const words = fc.array(fc.oneof(fc.constantFrom(' ', '/', ': ', "'", '"', '\\', '(', ', ', '='), fc.string({ maxLength: 6 })), {
    maxLength: 4,
  });
  const holds = (text: string, word: string): boolean => text.toLowerCase().includes(word.toLowerCase());

  it('names neither home, user nor computer, wherever in a value they stand', () => {
    fc.assert(
      fc.property(
        name,
        name,
        fc.boolean(),
        words,
        words,
        fc.integer({ min: 0, max: 7 }),
        (user, computer, isWindows, before, after, how) => {
          const homeOf = isWindows ? `C:\\Users\\${user}` : `/home/${user}`;
          const details: PrivateDetails = { homes: [homeOf], user, host: computer };
          const pieces = [
            user,
            computer,
            homeOf,
            homeOf.replaceAll('\\', '/'),
            homeOf.replaceAll('\\', '\\\\'),
            `${homeOf}x`,
            computer.toUpperCase(),
            `${user}@${computer}`,
          ];
          const value = `${before.join('')}${pieces[how]}${after.join('')}`;
          const plain = withoutPrivateDetails(value, details);
          for (const word of [user, computer, homeOf]) expect(holds(plain, word), `${word} in ${plain}`).toBe(false);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('keeps no name and password of an address, however odd', () => {
    fc.assert(
      fc.property(name, secret, fc.constantFrom('http', 'https', 'socks5'), words, (login, password, scheme, before) => {
        fc.pre(!holds('http https socks5 proxy.example 3128', password));
        const details: PrivateDetails = { homes: [], user: '', host: '' };
        const address = `${scheme}://${login}:${password}@proxy.example:3128/?token=${password}`;
        for (const plain of [shownAddress(address), withoutPrivateDetails(address, details)]) expect(plain).not.toContain(password);
        const inText = withoutPrivateDetails(`${before.join('')} ${address} `, details);
        expect(inText.slice(inText.lastIndexOf('://'))).toBe(`://… `);
      }),
      { numRuns: 2000 },
    );
  });

  it('shows of an address what helps', () => {
    const details: PrivateDetails = { homes: [], user: '', host: '' };
    expect(shownAddress('http://me:secret@proxy.example:3128/')).toBe('http://proxy.example:3128');
    expect(shownAddress('me:secret@proxy.example:3128')).toBe('"…@proxy.example:3128"');
    expect(shownAddress('http://me:12/@34@proxy')).toBe('"http://…"');
    expect(withoutPrivateDetails('at http://a/debian?key=1: ENOTFOUND', details)).toBe('at http://a/debian ENOTFOUND');
  });

  it('leaves our own words alone, and says what was found and what to do', () => {
    const findings = [
      finding('data-folder', { folder: '/home/node/x' }),
      finding('node', { node: '22.1.0' }),
      finding('disk-slow', { speedBytes: 2 ** 20 }),
    ];
    const text = reportText(
      { worst: 'warning', findings },
      { hartbox: '0.1.0', system: 'linux 6.1 x64', node: '22.1.0', v8: '12', at: 0 },
      { homes: ['/home/node'], user: 'node', host: 'disk' },
    );
    expect(text).toContain('Hartbox 0.1.0\nSystem: linux 6.1 x64\nNode 22.1.0, V8 12\nTime: 1970-01-01T00:00:00.000Z\n');
    expect(text).toContain('[ok] data-folder: The data folder ~/x can be written.');
    expect(text).toContain('[ok] node: Node 22.1.0 runs Hartbox.');
    expect(text).toMatch(/\[warning\] disk-slow: The disk of the data folder took only 1 MB a second.*\n {4}Set HARTBOX_HOME/);
  });
});
