import { dataDirectory } from '../../host/data-directory';
import { openOutput, OutputStream, writeOutput } from '../../host/output-file';
import { pacedWriter } from '../../host/paced-writer';
import { hostFiles } from '../../host/patient-files';
import type { MachineExit, VirtualMachine } from '../../machine/virtual-machine';
import { Runner } from '../../runner/runner';
import { Ending } from '../ending';
import { tellOfFullDisk } from '../full-disk';
import { writeDeviceTree } from '../info';
import { HostTerminal } from '../host-terminal';
import { prepare } from '../machine-setup';
import { describeVnc } from '../vnc';
import type { LineSpec } from './lines/line-spec';
import { type Input, Mux, type Output } from './lines/mux';
import { type OpenLine, openLine } from './lines/open-line';
import type { MonitorContext } from './monitor/command';
import { Monitor } from './monitor/monitor';
import { withSnapshots } from './snapshot';
import { standardLine } from './standard-line';
import type { Plan } from './translate';

const NO_COMMIT = 'what -snapshot keeps apart is not written back here: leave -snapshot out to keep it\n';

/** Run a machine by its plan, as QEMU would. Returns the exit code. Throws VmError. */
export function runSession(plan: Plan): Promise<number> {
  return withSnapshots(plan.config.drives ?? [], plan.snapshots, (drives) => run({ ...plan, config: { ...plan.config, drives } }));
}

async function run(plan: Plan): Promise<number> {
  const terminal = new HostTerminal(process.stdin, process.stdout);
  const ending = new Ending(terminal.tell, (signal) => {
    terminal.tell(`terminating on ${signal}`);
    return 0;
  });
  const lines = new Map<LineSpec, OpenLine>();
  try {
    if (plan.pidFile !== undefined) await writeOutput(plan.pidFile, `${process.pid}\n`);
    const standard = standardLine(terminal, () => {
      terminal.tell('terminating on SIGINT');
      ending.now(0);
    });
    for (const spec of new Set([...(plan.serial ? [plan.serial] : []), ...plan.monitors, ...plan.ports.map(({ line }) => line)]))
      lines.set(spec, await openLine(spec, standard, terminal.tell));
    const runner = new Runner({
      ports: plan.ports.map(({ name }) => name),
      config: plan.config,
      program: 'hartbox qemu',
      dataDirectory: dataDirectory(),
      trace: plan.trace,
      gdb: plan.gdb,
      vnc: plan.vnc,
      paused: plan.isFrozen,
    });
    runner.on('warning', (warning) => terminal.tell(`warning: ${warning.message}`));
    tellOfFullDisk(runner, terminal.tell);
    const machine = await prepare(runner);
    if (plan.dumpDeviceTree !== undefined) {
      try {
        await writeDeviceTree(plan.dumpDeviceTree, machine.deviceTree());
      } finally {
        await runner.forceOff();
      }
      return 0;
    }
    if (plan.logFile !== undefined) {
      const file = new OutputStream(await openOutput(plan.logFile));
      file.on('error', (error) => terminal.tell(`${plan.logFile} cannot be written: ${error.message}`));
      const log = pacedWriter(file);
      machine.on('trace', (text) => void log(`${text}\n`));
    }
    const takeInput = connect(plan, lines, machine, () => ending.now(0));
    await runner.start();
    if (plan.vnc && plan.vnc.password === undefined)
      terminal.tell(describeVnc(await runner.operations.vnc({}), { vncPassword: undefined }));
    ending.watch(machine, undefined);
    takeInput();
    const exit = await machine.wait();
    ending.machineEnded();
    if (ending.code !== undefined) return ending.code;
    if (exit.error) throw exit.error;
    return exitCode(exit);
  } finally {
    for (const line of lines.values()) line.close();
    terminal.giveBack();
    ending.release();
    if (plan.pidFile !== undefined) await hostFiles.remove(plan.pidFile);
  }
}

/** The code that the guest gave to the finisher, of which a process keeps the low eight bits. */
function exitCode({ reason, code }: MachineExit): number {
  return reason === 'stopped' ? 0 : code & 0xff;
}

/** Ties the ends, in the machine and of monitors, to their lines; what comes in is taken from when the function that this returns is called. */
function connect(plan: Plan, lines: ReadonlyMap<LineSpec, OpenLine>, machine: VirtualMachine, quit: () => void): () => void {
  const ends = new Map<LineSpec, ((output: Output) => Input)[]>();
  const add = (spec: LineSpec, make: (output: Output) => Input): void => void ends.set(spec, [...(ends.get(spec) ?? []), make]);
  const { console } = machine;
  if (plan.serial)
    add(plan.serial, (output) => {
      console.onData(output);
      return console;
    });
  for (const { name, line } of plan.ports)
    add(line, (output) => {
      const port = machine.port(name);
      port.onData(output);
      return port;
    });
  const commit = (): string => NO_COMMIT;
  let isFresh = plan.isFrozen;
  machine.on('state', (state) => {
    if (state === 'running') isFresh = false;
  });
  for (const spec of plan.monitors) {
    const context: MonitorContext = {
      machine,
      hart: 0,
      isFresh: () => isFresh,
      name: plan.name,
      uuid: plan.uuid,
      lines: lineNames(plan),
      quit,
      commit,
    };
    add(spec, (output) => new Monitor(output, context, spec.isMux));
  }
  const inputs = [...ends].map(([spec, makers]): [LineSpec, Input] => {
    const output: Output = (data) => lines.get(spec)?.output(data);
    if (!spec.isMux) return [spec, makers[0](output)];
    const mux = new Mux(output, plan.escapeKey, { quit, commit });
    for (const make of makers) mux.add(make);
    return [spec, mux];
  });
  return () => {
    for (const [spec, input] of inputs) lines.get(spec)?.connect(input);
  };
}

function lineNames(plan: Plan): [string, string][] {
  const what = (line: LineSpec): string => {
    if (line.kind === 'socket')
      return 'path' in line.address ? `unix:${line.address.path}` : `tcp:${line.address.host}:${line.address.port}`;
    return 'path' in line ? `${line.kind}:${line.path}` : line.kind;
  };
  return [
    ...(plan.serial ? [['serial0', what(plan.serial)] as [string, string]] : []),
    ...plan.monitors.map((line, at): [string, string] => [`compat_monitor${at}`, what(line)]),
    ...plan.ports.map(({ name, line }): [string, string] => [name, what(line)]),
  ];
}
