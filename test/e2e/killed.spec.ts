import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from '@playwright/test';
import { Library } from '../../engine/runner/library';
import { killHartboxes, startHartbox } from '../support/hartbox-process';
import { Random } from '../support/random';
import { ask, isAlive, listed, say } from './support/both-sides';
import { HartboxApp, type TestHome } from './support/hartbox-app';
import { restingGuest } from './support/resting-guest';
import { expectArchive, expectWhole, halfDone, makeOrigin, placesOf } from './support/whole-library';
import { test } from './support/test';

/** How often a process is killed. */
const KILLS = Number(process.env['HARTBOX_KILLS'] ?? (process.env['HARTBOX_LONG'] ? 200 : 12));
/** Said where something fails; the same one does the same again, as far as time allows. */
const SEED = Number(process.env['HARTBOX_SEED'] ?? Date.now() % 1_000_000);
/** So many boxes at most are kept from one kill to the next. */
const MOST_BOXES = 7;
/** Which boxes each side takes to the trash and back: ids that no other box ever gets, as a copy would. */
const OF_COMMAND_LINE = /^c-\d+$/;
const OF_APP = /^a-\d+$/;
const NO_MIRROR = { HARTBOX_DEBIAN_MIRROR: 'http://127.0.0.1:9/debian' };

test.use({ guest: false });
test.afterEach(async ({ home }) => {
  for (const { id, state } of await listed(home).catch(() => [])) if (state !== 'stopped') await say(home, 'stop', '--force', id);
  killHartboxes();
});

type Side = 'the command line' | 'the app';
/** What was asked of one side, and how it ended. */
interface Job {
  side: Side;
  what: string;
  end: 'busy' | 'done' | 'refused' | 'killed';
  /** Makes so many boxes. */
  makes?: number;
  /** Sets this of this box. */
  sets?: { id: string; value: string };
  /** Takes this box to the trash, or back from there. */
  moves?: { id: string; to: 'library' | 'trash' };
  writes?: string;
}

/** The library as it has to be, but for what was under way when somebody was killed. */
class Chaos {
  readonly library: Library;
  readonly random = new Random(SEED);
  app: HartboxApp | undefined;
  jobs: Job[] = [];
  private isOver = false;
  private starting: Promise<unknown> = Promise.resolve();
  private count = 0;
  /** The command that runs now. */
  command: ReturnType<typeof startHartbox> | undefined;
  /** How the last box that was removed by the app comes back. */
  private removal: { id: string; token: string } | undefined;

  constructor(readonly home: TestHome) {
    this.library = new Library(home.path);
  }

  archive(name: string): string {
    return join(this.home.path, `${name}.hartbox`);
  }

  async openApp(): Promise<HartboxApp> {
    if (this.app) return this.app;
    const app = await HartboxApp.launch(this.home, NO_MIRROR);
    await expect(app.library.heading).toBeVisible();
    await app.electron.evaluate(({ dialog }, path) => {
      dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath: path });
    }, this.archive('of-app'));
    this.removal = undefined;
    this.app = app;
    return app;
  }

  /** Both sides work on the library until one is killed. Resolves when nothing is under way any more. */
  async work(kill: () => Promise<void>): Promise<void> {
    this.jobs = [];
    this.isOver = false;
    this.starting = Promise.resolve();
    const sides = [this.loop(() => this.onCommandLine()), this.loop(() => this.inApp())];
    await kill();
    this.isOver = true;
    await Promise.all(sides);
    await this.starting;
  }

  private async loop(one: () => Promise<void>): Promise<void> {
    while (!this.isOver) await one();
  }

  private async onCommandLine(): Promise<void> {
    const { random } = this;
    const boxes = await this.boxes();
    const any = random.pick(boxes);
    const own = boxes.filter((id) => OF_COMMAND_LINE.test(id));
    const trashed = (await this.library.trashed()).filter(({ id }) => OF_COMMAND_LINE.test(id));
    const name = `C ${++this.count}`;
    const choices: [Omit<Job, 'side' | 'end' | 'what'>, string[]][] = [
      [
        { makes: 1 },
        ['create', name, '--source', 'elf', '--kernel', join(this.home.path, 'resting.elf'), '--memory', '16M', '--disk', '1M'],
      ],
      [{ makes: 1 }, ['clone', any, name]],
      [{ makes: 1 }, ['clone', any, name, '--linked']],
      [{ makes: 1 }, ['import', this.archive('given'), '--name', name]],
      [{ writes: this.archive('of-command-line') }, ['export', any, this.archive('of-command-line'), '--force']],
      [{ sets: { id: any, value: name } }, ['set', any, `notes=${name}`]],
    ];
    if (own.length > 0) {
      const id = random.pick(own);
      choices.push([{ moves: { id, to: 'trash' } }, ['delete', '--yes', id]], [{ moves: { id, to: 'trash' } }, ['delete', '--yes', id]]);
    }
    if (trashed.length > 0) choices.push([{ moves: { id: trashed[0].id, to: 'library' } }, ['trash', 'restore', trashed[0].trashId]]);
    const [effect, args] = random.pick(choices);
    const job: Job = { side: 'the command line', what: args.join(' '), end: 'busy', ...effect };
    this.jobs.push(job);
    this.command = startHartbox(args, { HARTBOX_HOME: this.home.path });
    this.command.child.stdin.end();
    const { code, signal, stderr } = await this.command.ended;
    job.end = signal ? 'killed' : code === 0 ? 'done' : 'refused';
    if (job.end === 'refused') expect(stderr, job.what).toMatch(/^hartbox: (?!internal error)/);
  }

  private async inApp(): Promise<void> {
    const { random, app } = this;
    if (!app) {
      await delay(20);
      return;
    }
    const boxes = await this.boxes();
    const any = random.pick(boxes);
    const own = boxes.filter((id) => OF_APP.test(id));
    const name = `A ${++this.count}`;
    const values = { name, source: 'elf', kernel: join(this.home.path, 'resting.elf'), memory: 16 << 20 };
    const choices: [string, Omit<Job, 'side' | 'end' | 'what'>, () => Promise<unknown>][] = [
      ['create', { makes: 1 }, () => ask(app, 'box.create', values, { size: 1 << 20 })],
      [`clone ${any}`, { makes: 1 }, () => ask(app, 'box.clone', any, false, name)],
      [`clone ${any} --linked`, { makes: 1 }, () => ask(app, 'box.clone', any, true, name)],
      ['import', { makes: 1 }, () => ask(app, 'box.import', this.archive('given'), name)],
      [`export ${any}`, { writes: this.archive('of-app') }, () => ask(app, 'box.export', any, name)],
      [`set ${any}`, { sets: { id: any, value: name } }, () => this.change(app, any, name)],
    ];
    if (own.length > 0) {
      const id = random.pick(own);
      choices.push([
        `delete ${id}`,
        { moves: { id, to: 'trash' } },
        async () => {
          this.removal = { id, token: await ask(app, 'box.remove', id) };
        },
      ]);
    }
    const { removal } = this;
    if (removal) {
      const back = async (): Promise<void> => {
        this.removal = undefined;
        await ask(app, 'box.restore', removal.token);
      };
      choices.push([`undo delete ${removal.id}`, { moves: { id: removal.id, to: 'library' } }, back]);
    }
    const [what, effect, work] = random.pick(choices);
    const job: Job = { side: 'the app', what, end: 'busy', ...effect };
    this.jobs.push(job);
    try {
      await work();
      job.end = 'done';
    } catch (error) {
      job.end = this.app === app ? 'refused' : 'killed';
      if (job.end === 'refused') expect((error as Error).message, what).not.toMatch(/internal error|TypeError|: ENOENT/);
    }
    await delay(random.below(30));
  }

  /** The command line sets notes, the app tags: so it is known what each must be. */
  private async change(app: HartboxApp, id: string, value: string): Promise<void> {
    const { revision } = await ask(app, 'box.settings', id);
    const { stale } = await ask(app, 'box.change', id, { tags: [value] }, revision);
    if (stale) throw new Error('The box was changed meanwhile.');
  }

  private async boxes(): Promise<string[]> {
    return (await readdir(this.library.directory)).filter((name) => !name.startsWith('.'));
  }

  /** Let both sides work for a moment; more often than not one in which something lies half done. */
  async moment(): Promise<void> {
    const { random } = this;
    if (random.oneIn(3)) return delay(random.below(1500));
    await delay(random.below(400));
    await this.untilHalfDone();
  }

  /** Until something lies half done, while `isAtWork`, and a bit longer. */
  async untilHalfDone(isAtWork = (): boolean => true): Promise<void> {
    for (let looks = 0; looks < 300; looks++) {
      if (isAtWork() && (await halfDone(this.home.path)).length > 0) break;
      await delay(3);
    }
    while (!isAtWork()) await delay(1);
    await delay(this.random.below(20));
  }

  /** End the app as nothing else would. Its children have to go by themselves, unless they are killed with it. */
  async killApp(withTree: boolean): Promise<void> {
    const { app } = this;
    if (!app) return;
    const main = app.electron.process().pid as number;
    const tree = await app.electron.evaluate(({ app: own }) => own.getAppMetrics().map(({ pid }) => pid)).catch((): number[] => []);
    const closed = app.electron.waitForEvent('close', { timeout: 20_000 });
    this.app = undefined;
    for (const pid of withTree ? [main, ...tree] : [main])
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Killed with the one before.
      }
    await closed;
    await expect.poll(() => tree.filter(isAlive), { message: 'what the app had started', timeout: 15_000 }).toEqual([]);
  }

  async closeApp(): Promise<void> {
    const { app } = this;
    this.app = undefined;
    await app?.end();
  }

  /** The process that runs the box `runner`. */
  async runner(): Promise<{ pid: number; program: string } | undefined> {
    if (!(await this.library.isRunning('runner'))) return undefined;
    const { pid, program } = JSON.parse(await readFile(join(this.library.folder('runner'), 'lock'), 'utf8')) as {
      pid: number;
      program: string;
    };
    return { pid, program };
  }

  async startRunner(side: Side): Promise<void> {
    if (await this.runner()) return;
    // It may be cloned or exported just now.
    await expect(async () => {
      if (side === 'the command line') await say(this.home, 'start', 'runner');
      else await ask(await this.openApp(), 'vm.start', 'runner');
    }).toPass({ timeout: 20_000 });
    await this.expectRunner('running');
  }

  async stopRunner(): Promise<void> {
    await say(this.home, 'stop', '--force', 'runner');
    await this.expectRunner('off');
  }

  /** Until there is a process, and a bit longer. Who asked for it is told why it does not run. */
  async beginToStartRunner(side: Side): Promise<void> {
    const app = await this.openApp();
    const asked = side === 'the command line' ? say(this.home, 'start', 'runner') : ask(app, 'vm.start', 'runner');
    const answered = asked.catch((error: unknown) => {
      expect((error as Error).message).toMatch(/The process that was to run the box ended|is in use by/);
    });
    for (let looks = 0; looks < 1000 && !(await this.runner()); looks++) await delay(5);
    await delay(this.random.below(400));
    this.starting = answered;
  }

  /** Both sides say so. */
  async expectRunner(state: 'running' | 'off'): Promise<void> {
    const runnerOf = async (): Promise<string | undefined> => (await listed(this.home)).find(({ id }) => id === 'runner')?.state;
    await expect.poll(runnerOf, { timeout: 20_000 }).toBe(state === 'off' ? 'stopped' : state);
    const { app } = this;
    if (!app) return;
    const inApp = async () => (await ask(app, 'library.list')).find(({ id }) => id === 'runner')?.state.replace('failed', 'off');
    await expect.poll(inApp, { timeout: 20_000 }).toBe(state);
  }

  /** The next start cleans up, and says what it has cleaned up. */
  async startNext(side: Side): Promise<void> {
    const { path } = this.home;
    const left = await halfDone(path);
    const ran = (await this.library.isRunning('runner'))
      ? undefined
      : // Work on the box has the same lock, and is no run.
        /"program":"(hartbox (run|start)|the Hartbox app)"/.test(
          await readFile(join(this.library.folder('runner'), 'lock'), 'utf8').catch(() => ''),
        );
    let said: string;
    if (side === 'the command line') {
      const command = startHartbox(['list'], { HARTBOX_HOME: path });
      const { code, stderr } = await command.ended;
      expect(code).toBe(0);
      said = stderr;
    } else {
      await this.closeApp();
      const { page } = await this.openApp();
      await expect.poll(() => halfDone(path), { message: 'left after the next start of the app' }).toEqual([]);
      if (left.length > 0) await expect(page.getByText(/now cleaned away|now deleted/).first()).toBeVisible();
      if (ran) await expect(page.getByText('Still running when Hartbox was ended: Runner')).toBeVisible();
      said = (await page.getByRole('status').allTextContents()).join('\n');
    }
    expect(await halfDone(path), `left after the next start by ${side}`).toEqual([]);
    if (left.length > 0) expect(said, `said of ${left.join(', ')}`).toMatch(/cleaned away|was finished|deleted/);
    if (ran) expect(said).toMatch(/still running when/i);
  }

  /** Nothing is lost, nothing half made. */
  async expectAsItHasToBe(before: Awaited<ReturnType<typeof placesOf>>): Promise<void> {
    const { jobs, library } = this;
    await expectWhole(library);
    const after = await placesOf(library);
    const made = [...after.keys()].filter((id) => !before.has(id)).length;
    const makes = (end: Job['end']): number => jobs.filter((job) => job.end === end).reduce((sum, { makes: count = 0 }) => sum + count, 0);
    expect(made, 'new boxes').toBeGreaterThanOrEqual(makes('done'));
    expect(made, 'new boxes').toBeLessThanOrEqual(makes('done') + makes('killed'));
    for (const [id, old] of before) {
      const now = after.get(id);
      const moved = jobs.filter(({ moves }) => moves?.id === id);
      expect(
        possible(old.place, moved, ({ moves }) => moves?.to),
        `where ${id} is`,
      ).toContain(now?.place);
      const set = (side: Side): Job[] => jobs.filter((job) => job.side === side && job.sets?.id === id);
      expect(
        possible(old.notes, set('the command line'), ({ sets }) => sets?.value),
        `notes of ${id}`,
      ).toContain(now?.notes);
      expect(
        possible(old.tag, set('the app'), ({ sets }) => sets?.value),
        `tags of ${id}`,
      ).toContain(now?.tag);
      expect(now?.rest, `settings of ${id}`).toBe(old.rest);
    }
    for (const file of new Set(jobs.flatMap(({ writes }) => writes ?? [])))
      await expectArchive(file, this.home.path, { mayMiss: !jobs.some(({ writes, end }) => writes === file && end === 'done') });
  }

  /** Not so many boxes that each round takes longer than the last. */
  async thinOut(): Promise<void> {
    const { library } = this;
    const ids = (await this.boxes()).filter((id) => !['origin', 'runner'].includes(id));
    for (const id of ids.slice(this.random.below(MOST_BOXES))) await library.remove(id);
    const trashed = await library.trashed();
    for (const [n, { trashId, id }] of trashed.entries()) if (n >= 2 || !OF_COMMAND_LINE.test(id)) await library.purge(trashId);
  }
}

/** What a value may be after these jobs, which came one after another. */
function possible<T>(before: T, jobs: Job[], to: (job: Job) => T | undefined): T[] {
  let values = [before];
  for (const job of jobs) {
    const value = to(job) as T;
    if (job.end === 'done') values = [value];
    else if (job.end === 'killed') values.push(value);
  }
  return values;
}

test(`nothing is lost when app, engine or command line are killed, ${KILLS} times`, async ({ home }) => {
  test.setTimeout(120_000 + KILLS * 60_000);
  const chaos = new Chaos(home);
  const { library, random } = chaos;
  await makeOrigin(library, await restingGuest(home));
  await library.clone('origin', { linked: false, name: 'Runner' });
  await library.export('origin', chaos.archive('given'));
  const ends = new Map<string, number>();
  const killed = { app: 0, engine: 0, 'command line': 0 };
  let kill = 0;
  try {
    for (kill = 1; kill <= KILLS; kill++) {
      const victim = (['command line', 'app', 'engine', 'command line', 'app'] as const)[random.below(5)];
      const host: Side = random.oneIn(2) ? 'the app' : 'the command line';
      await test.step(`kill ${kill}: ${victim}`, async () => {
        await chaos.openApp();
        const whileItStarts = victim === 'engine' && random.oneIn(3);
        if (whileItStarts) await chaos.stopRunner();
        else if (victim === 'engine' || random.oneIn(2)) await chaos.startRunner(host);
        const before = await placesOf(library);
        let engineKilled = false;
        await chaos.work(async () => {
          if (whileItStarts) await chaos.beginToStartRunner(host);
          else await chaos.moment();
          const runner = await chaos.runner();
          if (victim === 'app') await chaos.killApp(random.oneIn(2));
          else if (victim === 'engine' && runner) {
            process.kill(runner.pid, 'SIGKILL');
            engineKilled = true;
          } else {
            // Between two commands there is none; and the moment may have been one of the app's.
            const isAtWork = (): boolean => chaos.command !== undefined && chaos.command.child.exitCode === null;
            if (!isAtWork() || random.oneIn(2)) await chaos.untilHalfDone(isAtWork);
            chaos.command?.child.kill('SIGKILL');
          }
          if (runner && (victim === 'engine' || (victim === 'app' && runner.program === 'the Hartbox app')))
            await expect.poll(() => isAlive(runner.pid), { message: 'the engine', timeout: 15_000 }).toBe(false);
        });
        killed[victim]++;
        for (const { what, end, side } of chaos.jobs) {
          const key = `${side}: ${what.split(' ')[0]}${what.includes('--linked') ? ' linked' : ''} ${end}`;
          ends.set(key, (ends.get(key) ?? 0) + 1);
        }
        await chaos.startNext(kill % 2 === 0 ? 'the app' : 'the command line');
        await chaos.expectAsItHasToBe(before);
        if (victim === 'engine') {
          // Where none ran yet a command was killed instead, and the box may have started since.
          if (engineKilled) await chaos.expectRunner('off');
          await chaos.startRunner(host === 'the app' ? 'the command line' : 'the app');
        }
        await chaos.thinOut();
      });
    }
  } catch (error) {
    const jobs = chaos.jobs.map(({ side, what, end }) => `${side}: ${what}: ${end}`).join('\n');
    (error as Error).message += `\n\nHARTBOX_SEED=${SEED}, kill ${kill} of ${KILLS}, after\n${jobs}`;
    throw error;
  } finally {
    console.log(`seed ${SEED}, kills`, killed, Object.fromEntries([...ends].sort()));
    await chaos.closeApp();
  }
});
