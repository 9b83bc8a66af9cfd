import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { defaultGuest } from '../../engine/images/default-guest';
import { type BenchContext, type BenchSuite, formatRows, median, ratio, type Row } from './measurement';
import { PEERS, type Peer } from './peers';
import { boot } from './suites/boot';
import { cpu } from './suites/cpu';

const SUITES: Record<string, BenchSuite> = { boot, cpu };

const HELP = `Usage: npm run bench -- [SUITE…] [OPTIONS]

Runs the same guest in QEMU and in Hartbox by turns and prints medians; a ratio above 1 means that Hartbox is faster.

Suites (all without a name):
${Object.entries(SUITES)
  .map(([name, { description }]) => `  ${name.padEnd(8)} ${description}`)
  .join('\n')}

Options:
  --runs N     how often each is run  [3]
  --peer NAME  only qemu or only hartbox
  --json       print JSON, with every value
`;

/** Returns the exit code. */
export async function bench(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '3' },
      peer: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs expects a whole number above 0, not '${values.runs}'`);
  const peers = PEERS.filter((peer) => values.peer === undefined || values.peer === peer);
  if (peers.length === 0) throw new Error(`--peer expects ${PEERS.join(' or ')}, not '${values.peer}'`);
  const names = positionals.length > 0 ? positionals : Object.keys(SUITES);
  const unknown = names.find((name) => !Object.hasOwn(SUITES, name));
  if (unknown !== undefined) throw new Error(`there is no suite '${unknown}'; there are: ${Object.keys(SUITES).join(', ')}`);

  const say = (message: string): void => void process.stderr.write(`${message}\n`);
  const folder = mkdtempSync(join(tmpdir(), 'hartbox-bench-'));
  const rows: Row[] = [];
  try {
    const guest = await defaultGuest();
    for (const name of names) {
      const context: BenchContext = {
        guest,
        folder,
        say,
        record: (peer, what, unit, value) => recordIn(rows, name, peer, what, unit, value),
      };
      await SUITES[name].prepare?.(context);
      for (let turn = 0; turn < runs; turn++) {
        // By turns, and each first as often as the other: what else the host does hits both.
        for (const peer of turn % 2 === 0 ? peers : [...peers].reverse()) {
          say(`${name}, run ${turn + 1} of ${runs}, ${peer}`);
          await SUITES[name].run(context, peer);
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const host = describeHost();
  if (values.json) {
    const results = rows.map((row) => ({
      ...row,
      medians: { qemu: medianOf(row.qemu), hartbox: medianOf(row.hartbox) },
      ratio: ratio(row),
    }));
    process.stdout.write(`${JSON.stringify({ host, runs, results }, null, 2)}\n`);
  } else {
    process.stdout.write(
      `${host.cpu}, ${host.cores} cores, load ${host.load}; ${host.qemu}; Node ${host.node}; ${runs} run(s) each\n\n${formatRows(rows)}`,
    );
  }
  return 0;
}

function recordIn(rows: Row[], suite: string, peer: Peer, name: string, unit: Row['unit'], value: number): void {
  let row = rows.find((one) => one.suite === suite && one.name === name);
  if (!row) {
    row = { suite, name, unit, qemu: [], hartbox: [] };
    rows.push(row);
  }
  row[peer].push(value);
}

function medianOf(values: number[]): number | undefined {
  return values.length > 0 ? median(values) : undefined;
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
