import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { version } from '../../package.json';
import { V8_FLAGS } from '../hart/v8-flags';
import { replaceFile } from '../host/new-file';
import { dataDirectory } from '../images/data-directory';
import { builtFile } from './built-file';
import { type V8Verdict, v8VerdictSchema } from './contract';

/** How long a trial may take, in milliseconds; usually it is some 300. */
const PATIENCE = 30_000;

/** How the process of a trial ended: `code` is undefined where it was not its own doing (it could not be started, or had to be ended). */
export interface TrialEnd {
  code: number | undefined;
  /** What it printed to stderr. */
  errors: string;
  /** How it ended, for a message: `exit code 1`. */
  how: string;
}

/** Starts a script with arguments in a process of its own, on this very V8, and waits for its end; not longer than `patience` milliseconds. */
export type RunTrial = (script: string, args: string[], patience: number) => Promise<TrialEnd>;

const fileSchema = z.object({ hartbox: z.string(), wanted: z.array(z.string()), verdict: v8VerdictSchema });

/**
 * Which flags this V8 takes and runs harts with: those of V8_FLAGS (or of the environment variable HARTBOX_V8_FLAGS) that it knows, or
 * none if it dies of them. V8 is asked once, by a trial in a process of its own; then the data directory knows. Never rejects.
 */
export async function v8Verdict(directory = dataDirectory(), runTrial: RunTrial = runInNode): Promise<V8Verdict> {
  const wanted = process.env['HARTBOX_V8_FLAGS']?.split(/\s+/).filter(Boolean) ?? [...V8_FLAGS];
  if (wanted.length === 0) return { flags: [] };
  // Who tries other flags in between does not make the usual ones unknown.
  const key = createHash('sha256').update(wanted.join()).digest('hex').slice(0, 8);
  const path = join(directory, 'engine', `v8-${process.versions.v8}-${process.arch}-${key}.json`);
  const known = await readVerdict(path, wanted);
  if (known) return known;
  const end = await Promise.resolve()
    .then(() => runTrial(builtFile('v8-trial.js'), wanted, PATIENCE))
    .catch((error: unknown): TrialEnd => ({ code: undefined, errors: '', how: `an error (${String(error)})` }));
  const { verdict, isFinal } = judge(wanted, end);
  if (isFinal) {
    // Where it cannot be kept, the next start tries again.
    await mkdir(dirname(path), { recursive: true })
      .then(() => replaceFile(path, JSON.stringify({ hartbox: version, wanted, verdict } satisfies z.output<typeof fileSchema>)))
      .catch(() => undefined);
  }
  return verdict;
}

async function readVerdict(path: string, wanted: string[]): Promise<V8Verdict | undefined> {
  try {
    const file = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    return file.hartbox === version && file.wanted.join() === wanted.join() ? file.verdict : undefined;
  } catch {
    return undefined;
  }
}

/** What a trial's end means, and whether the next one would end the same way. */
function judge(wanted: string[], { code, errors, how }: TrialEnd): { verdict: V8Verdict; isFinal: boolean } {
  if (code === 0) return { verdict: { flags: wanted.filter((flag) => !errors.includes(flag.split('=')[0])) }, isFinal: true };
  const failure =
    `Harts run slowly on this JavaScript engine (V8 ${process.versions.v8}): a trial with the flags that make them fast ended with ${how}, ` +
    'so none is set. Nothing else is affected. A newer Hartbox may know this V8.';
  return { verdict: { flags: [], failure }, isFinal: code !== undefined };
}

/** A trial by the Node that runs this code. */
export const runInNode: RunTrial = (script, args, patience) =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'ignore', 'pipe'], windowsHide: true });
    let errors = '';
    let late = false;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, patience);
    const end = (how: string, code?: number): void => {
      clearTimeout(timer);
      resolve({ code, errors, how });
    };
    child.on('error', (error) => end(`an error (${error.message})`));
    child.on('close', (code, signal) => {
      if (late) end(`no result in ${patience / 1000} s`);
      // Killed from outside, perhaps for want of memory: the next time may be better.
      else if (signal === 'SIGKILL' || signal === 'SIGTERM' || signal === 'SIGINT' || signal === 'SIGHUP') end(`signal ${signal}`);
      else if (signal) end(`signal ${signal}`, -1);
      else end(`exit code ${code}`, code ?? -1);
    });
  });
