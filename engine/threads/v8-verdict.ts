import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ensureFolder } from '../host/ensure-folder';
import { HARTBOX_VERSION } from '../host/version';
import { V8_FLAGS } from '../hart/v8-flags';
import { replaceFile } from '../host/new-file';
import { readText } from '../host/open-file';
import { dataDirectory } from '../host/data-directory';
import { builtFile } from './built-file';
import { type V8Verdict, v8VerdictSchema } from './v8-verdict-schema';
import type { TrialResult } from './trial-machine';

/** How long a trial may take, in milliseconds; on a slow two-core host it is about 1000. */
const PATIENCE = 15_000;

/** How a trial's process ended: what it printed, and how for a message (`exit code 1`). */
export interface TrialEnd {
  output: string;
  errors: string;
  how: string;
}

/** Starts a script with arguments in a process of its own, on this very V8, and waits for its end; not longer than `patience` milliseconds. */
export type RunTrial = (script: string, args: string[], patience: number) => Promise<TrialEnd>;

/** What a trial prints at its end. An exit code would not do: other programs end with 0 too. */
export function announce(result: TrialResult): string {
  return `Hartbox trial: ${result}\n`;
}

const fileSchema = z.object({ hartbox: z.string(), verdict: v8VerdictSchema });

/**
 * Which flags this V8 takes and runs harts with: those of V8_FLAGS (or of the environment variable HARTBOX_V8_FLAGS) that it knows, or
 * none if it dies of them. V8 is asked once, by trials in processes of their own; then the data directory knows. Never rejects.
 */
export async function v8Verdict(directory = dataDirectory(), runTrial: RunTrial = runInNode): Promise<V8Verdict> {
  const wanted = process.env['HARTBOX_V8_FLAGS']?.split(/\s+/).filter(Boolean) ?? [...V8_FLAGS];
  if (wanted.length === 0) return { flags: [] };
  // A file for each set of flags: who tries others in between does not make the usual ones unknown.
  const key = createHash('sha256').update(wanted.join()).digest('hex').slice(0, 8);
  const path = join(directory, 'engine', `v8-${process.versions.v8}-${process.arch}-${key}.json`);
  const known = await readVerdict(path);
  if (known) return known;
  const { verdict, isFinal } = await judge(wanted, async (flags) => {
    try {
      return await runTrial(builtFile('v8-trial.js'), flags, PATIENCE);
    } catch (error) {
      return { output: '', errors: '', how: `an error (${String(error)})` };
    }
  });
  if (isFinal) {
    try {
      ensureFolder(dirname(path));
      await replaceFile(path, JSON.stringify({ hartbox: HARTBOX_VERSION, verdict } satisfies z.output<typeof fileSchema>));
    } catch {
      // Where it cannot be kept, the next start tries again.
    }
  }
  return verdict;
}

/** What trials say, and whether they would say so again. */
async function judge(wanted: string[], attempt: (flags: string[]) => Promise<TrialEnd>): Promise<{ verdict: V8Verdict; isFinal: boolean }> {
  const first = await attempt(wanted);
  const accepted = (): V8Verdict => ({ flags: wanted.filter((flag) => !complainsOf(first.errors, flag)) });
  const result = resultOf(first);
  // On a host that is busy the next trial will see more.
  if (result) return { verdict: accepted(), isFinal: result === 'translated' };
  const without = await attempt([]);
  if (!resultOf(without)) {
    // The flags are not to blame: there may be too little memory, or too few files that may be open.
    return { verdict: { flags: [], failure: failed(first, 'so it is not known whether they work, and none is set.') }, isFinal: false };
  }
  const again = await attempt(wanted);
  if (resultOf(again)) return { verdict: accepted(), isFinal: false };
  return {
    verdict: { flags: [], failure: failed(again, 'so none is set. Nothing else is affected. A newer Hartbox may know this V8.') },
    // What ends in peace without a word was no trial: its file was being replaced, by an update or a build.
    isFinal: again.how !== 'exit code 0',
  };
}

function resultOf({ output }: TrialEnd): TrialResult | undefined {
  return (['translated', 'interpreted'] as const).find((result) => output.includes(announce(result)));
}

/** V8 names the flags that it does not know, or whose value it does not take, as they were given. */
function complainsOf(errors: string, flag: string): boolean {
  const name = (text: string): string => text.split('=')[0];
  return errors.split(/\s+/).some((word) => name(word) === name(flag));
}

function failed({ how, errors }: TrialEnd, consequence: string): string {
  const lines = errors.split('\n').map((line) => line.replace(/^#\s*/, '').trim());
  const detail = lines.find((line) => /check failed|out of memory|error:/i.test(line) && !line.includes('flag --'));
  return (
    `Harts run slowly on this JavaScript engine (V8 ${process.versions.v8}): a trial with the flags that make them fast ended with ${how}` +
    `${detail ? ` (${detail.replace(/\.$/, '')})` : ''}, ${consequence}`
  );
}

async function readVerdict(path: string): Promise<V8Verdict | undefined> {
  try {
    const file = fileSchema.parse(JSON.parse(await readText(path)));
    return file.hartbox === HARTBOX_VERSION ? file.verdict : undefined;
  } catch {
    return undefined;
  }
}

/** Variable that is set where a trial's standard input ends with the process that wants to know. */
export const PARENT_ON_STDIN = 'HARTBOX_PARENT_ON_STDIN';

/** A trial by the Node that runs this code, in Electron by the Node in that. */
export const runInNode: RunTrial = (script, args, patience) =>
  new Promise((resolve) => {
    // A debugger would be waited for.
    const options = process.env['NODE_OPTIONS']?.replace(/--inspect\S*/g, '');
    const child = spawn(process.execPath, [script, ...args], {
      // It ends with us, whatever ends us: its input does.
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
      env: {
        ...process.env,
        [PARENT_ON_STDIN]: '1',
        ...(options === undefined ? {} : { NODE_OPTIONS: options }),
        ...(process.versions['electron'] ? { ELECTRON_RUN_AS_NODE: '1' } : {}),
      },
    });
    let [output, errors] = ['', ''];
    let late = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, patience);
    const end = (how: string): void => {
      clearTimeout(timer);
      resolve({ output, errors, how });
    };
    child.on('error', (error) => end(`an error (${error.message})`));
    child.on('close', (code, signal) =>
      end(late ? `no result in ${patience / 1000} s` : signal ? `signal ${signal}` : `exit code ${code}`),
    );
  });
