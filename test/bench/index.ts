import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { defaultGuest } from '../../engine/images/default-guest';
import { nodeLines, nodeOfLine } from '../../resources/setup/node-lines.mjs';
import { appRest } from './app-rest';
import { appStart } from './app-start';
import { inference } from './inference';
import { type BenchContext, type BenchSuite, formatRows, type Measurement, median, ratio, type Row } from './measurement';
import { hartbox, type Peer, qemu } from './peers';
import { soak } from './soak';
import { boot } from './suites/boot';
import { cpu } from './suites/cpu';
import { debian } from './suites/debian';
import { disk } from './suites/disk';
import { display } from './suites/display';
import { firmware } from './suites/firmware';
import { net } from './suites/net';
import { share } from './suites/share';
import { windowPictures } from './window-pictures';

const SUITES: Record<string, BenchSuite> = { boot, cpu, debian, disk, display, firmware, net, share };

const HELP = `Usage: npm run bench -- [SUITE…] [OPTIONS]
       npm run bench -- soak [--minutes N]
       npm run bench -- app [--runs N]
       npm run bench -- window
       npm run bench -- ai [--runs N] [--build PATH]

Runs the same guest in QEMU and in Hartbox by turns and prints medians; a ratio above 1 means that Hartbox is faster.

Suites (all without a name):
${Object.entries(SUITES)
  .map(([name, { description }]) => `  ${name.padEnd(8)} ${description}`)
  .join('\n')}

soak is no comparison: its guest generates new code without end, for N minutes [10]; the memory of the process is to be flat.

app is none either: seconds from launching the app to a library of 200 boxes that can be used, against the goal of 2 s; 5 runs unless given.
Then frames while they are scrolled, and the CPU time and memory of the app at rest.

window: pictures a second of a guest's screen that come into the app's window, and that are drawn there.

ai: milliseconds and runs a second of models that a program of the guest has the host run, beside the same ONNX Runtime called directly.

Options:
  --runs N     how often each is run  [3]
  --only TEXT  only what is called so, has this in its name, or is of this kind; may be given several times
  --peer NAME  only qemu or only hartbox
  --node NODE  Hartbox also on this Node: a path, or one of the lines ${nodeLines.join(', ')}; may be given several times
  --build PATH also the build in this checkout, on each Node: the commit before, say
  --v8-flags FLAGS  Hartbox also with these flags for V8 in place of its own ones, on each Node; may be given several times
  --cpu-time   seconds of CPU time that the process takes, not elapsed ones: for a host that is busy with other things
  --json       print JSON, with every value
`;

/** Work in a folder that is gone afterwards. */
async function inFolder<Result>(name: string, work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), `hartbox-${name}-`));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Returns the exit code. */
export async function bench(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      runs: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      peer: { type: 'string' },
      node: { type: 'string', multiple: true, default: [] },
      build: { type: 'string', multiple: true, default: [] },
      'v8-flags': { type: 'string', multiple: true, default: [] },
      'cpu-time': { type: 'boolean', default: false },
      json: { type: 'boolean' },
      minutes: { type: 'string', default: '10' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const say = (message: string): void => void process.stderr.write(`${message}\n`);
  if (positionals[0] === 'soak') {
    const minutes = Number(values.minutes);
    if (!(minutes >= 1)) throw new Error(`--minutes expects a number from 1, not '${values.minutes}'`);
    return (await inFolder('soak', async (folder) => soak(await defaultGuest(), folder, minutes, say))) ? 0 : 1;
  }
  if (positionals[0] === 'window') {
    await inFolder('window', async (folder) => windowPictures(await defaultGuest(), folder, say));
    return 0;
  }
  const runs = Number(values.runs ?? (['app', 'ai'].includes(positionals[0]) ? '5' : '3'));
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs expects a whole number above 0, not '${values.runs}'`);
  if (positionals[0] === 'ai') {
    await inFolder('ai', async (folder) => inference(await defaultGuest(), folder, runs, values.build, say));
    return 0;
  }
  if (positionals[0] === 'app') {
    const isInTime = await appStart(runs, say);
    await appRest(say);
    return isInTime ? 0 : 1;
  }
  if (values.peer !== undefined && !['qemu', 'hartbox'].includes(values.peer))
    throw new Error(`--peer expects qemu or hartbox, not '${values.peer}'`);
  const nodes = await Promise.all(values.node.map(async (node) => (nodeLines.includes(node) ? await nodeOfLine(node) : node)));
  const peers = [
    ...(values.peer === 'hartbox' ? [] : [qemu]),
    ...(values.peer === 'qemu' ? [] : hartboxes(nodes, values.build, values['v8-flags'])),
  ];
  const unknown = positionals.find((name) => !Object.hasOwn(SUITES, name));
  if (unknown !== undefined) throw new Error(`there is no suite '${unknown}'; there are: ${Object.keys(SUITES).join(', ')}`);
  const only = values.only.map((text) => text.toLowerCase());
  const whole = new Set(Object.values(SUITES).flatMap(({ measurements }) => measurements.map(({ name }) => name.toLowerCase())));
  const matches = (name: string, text: string): boolean => (whole.has(text) ? name === text : name.includes(text));
  const chosen = ({ name, kind }: Measurement): boolean =>
    only.length === 0 || only.some((text) => kind === text || matches(name.toLowerCase(), text));
  const names = (positionals.length > 0 ? positionals : Object.keys(SUITES)).filter((name) => SUITES[name].measurements.some(chosen));
  if (names.length === 0) throw new Error(`nothing that is measured has '${values.only.join("' or '")}' in its name or is of that kind`);

  const rows: Row[] = [];
  let failures = 0;
  await inFolder('bench', async (folder) => {
    const guest = await defaultGuest();
    for (const name of names) {
      const context: BenchContext = {
        guest,
        folder,
        chosen,
        cpuTime: values['cpu-time'],
        say,
        failed: (message) => {
          failures++;
          say(message);
        },
        record: (peer, measurement, value) => recordIn(rows, name, peer, measurement, value),
      };
      await SUITES[name].prepare?.(context);
      for (let turn = 0; turn < runs; turn++) {
        // By turns, and each first as often as the other: what else the host does hits both.
        for (const peer of turn % 2 === 0 ? peers : [...peers].reverse()) {
          say(`${name}, run ${turn + 1} of ${runs}, ${peer.name}`);
          await SUITES[name].run(context, peer);
        }
      }
    }
  });
  const host = describeHost();
  const columns = peers.map(({ name }) => name);
  if (values.json) {
    const results = rows.map(({ values: measured, ...row }) => ({
      ...row,
      values: Object.fromEntries(measured),
      medians: Object.fromEntries([...measured].map(([peer, all]) => [peer, median(all)])),
      ratios: Object.fromEntries(columns.slice(1).map((peer) => [peer, ratio({ ...row, values: measured }, peer, columns[0])])),
    }));
    process.stdout.write(`${JSON.stringify({ host, runs, results }, null, 2)}\n`);
  } else {
    process.stdout.write(
      `${host.cpu}, ${host.cores} cores, load ${host.load}; ${host.qemu}; Node ${host.node}; ${runs} run(s) each${values['cpu-time'] ? '; CPU time' : ''}\n\n${formatRows(rows, columns)}`,
    );
  }
  return failures > 0 ? 1 : 0;
}

/** This build and the others, on this Node and the others, with our flags for V8 and the others. */
function hartboxes(nodes: string[], builds: string[], v8Flags: string[]): Peer[] {
  const choices = <T>(others: T[]): (T | undefined)[] => [undefined, ...others];
  return choices(nodes).flatMap((node) =>
    choices(builds).flatMap((build) => choices(v8Flags).map((flags) => hartbox({ node, build, v8Flags: flags }))),
  );
}

function recordIn(rows: Row[], suite: string, peer: Peer, measurement: Measurement, value: number): void {
  const { name, kind, unit } = measurement;
  let row = rows.find((one) => one.suite === suite && one.name === name);
  if (!row) {
    row = { suite, name, kind, unit, values: new Map() };
    rows.push(row);
  }
  row.values.set(peer.name, [...(row.values.get(peer.name) ?? []), value]);
}

function describeHost() {
  const qemu = execFileSync('qemu-system-riscv64', ['--version'], { encoding: 'utf8' }).split('\n')[0].replace(' emulator version', '');
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown CPU',
    cores: availableParallelism(),
    load: loadavg()[0].toFixed(1),
    qemu,
    node: process.versions.node,
  };
}
