/**
 * `npm test`: install what is missing, then every check and every test; the last line sums them up.
 * `npm test -- lint guest` runs only the parts so named; `npm test -- long` what takes hours.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { electronPath, ensureElectronLibraries } from './electron.mjs';
import { ensureSystemPackages } from './system-packages.mjs';
import { testHome } from './test-home.mjs';
import { ensureBuild, ensurePackages, packageCommand, requireNode, root, run } from './toolchain.mjs';

const MINUTE = 60_000;
const reports = join(root, 'node_modules', '.cache', 'hartbox', 'reports');
const only = process.argv.slice(2);

/** Counted as one each; the output is shown where a check fails. The longest comes first: it goes on beside the suites. */
const checks = [
  { name: 'lint', command: () => [packageCommand('eslint'), '.', '--max-warnings', '0'] },
  { name: 'types', command: () => [packageCommand('vue-tsc'), '--noEmit'] },
  { name: 'format', command: () => [packageCommand('@biomejs/biome'), 'check', '--error-on-warnings'] },
  { name: 'imports', command: () => [packageCommand('dependency-cruiser', 'depcruise'), 'engine', 'main', 'renderer', 'test'] },
  { name: 'unused', command: () => [packageCommand('knip'), '--no-progress'] },
];

/**
 * Run by vitest and Playwright, which count for themselves. Of the groups of system packages that it `needs` a suite cannot do without
 * one; of those that it `uses` it can, and skips what needs them. What is `long` runs when it is asked for, by its name or what it is `partOf`.
 */
const suites = [
  { name: 'unit', minutes: 25, command: vitest('unit', 'renderer'), read: readVitest },
  { name: 'conformance', minutes: 15, needs: ['qemu', 'compiler'], built: true, command: vitest('conformance'), read: readVitest },
  // The first time, it also makes a disk with Debian, which takes some minutes.
  {
    name: 'guest',
    minutes: 45,
    needs: ['compiler'],
    uses: ['debugger'],
    built: true,
    guest: true,
    command: vitest('guest'),
    read: readVitest,
  },
  { name: 'torture', minutes: 20, built: true, command: vitest('torture'), read: readVitest },
  { name: 'matrix', minutes: 20, uses: ['browser'], built: true, guest: true, command: vitest('matrix'), read: readVitest },
  { name: 'e2e', minutes: 35, built: true, guest: true, electron: true, command: playwright(), read: readPlaywright },
  // Only what those files add for it.
  {
    name: 'long',
    long: true,
    minutes: 300,
    needs: ['compiler', 'disk', 'qemu'],
    built: true,
    guest: true,
    command: vitest('guest', {
      files: [
        ...['storage-long', 'power-cut', 'firmware', 'power-button', 'memory-model', 'kernel', 'qemu-command-line', 'balloon', 'images'],
        ...['nat.test', 'debugging-runs', 'guest/ai', 'watchdog', 'crypto', 'sound', 'terminals', 'share'],
      ],
      env: { HARTBOX_LONG: '1' },
    }),
    read: readVitest,
  },
  {
    name: 'long-unit',
    partOf: 'long',
    long: true,
    minutes: 24 * 60,
    command: vitest('unit', {
      files: [
        ...['test/fuzz', 'host-refusals', 'box-archive', 'killed-library', 'killed-setup', 'images/tar', 'tcp/many', 'qemu/command-line'],
        ...['virtio/hostile-driver'],
      ],
      env: { HARTBOX_LONG: '1' },
    }),
    read: readVitest,
  },
  {
    name: 'long-torture',
    partOf: 'long',
    long: true,
    minutes: 24 * 60,
    built: true,
    command: vitest('torture', { env: { HARTBOX_LONG: '1' } }),
    read: readVitest,
  },
  {
    name: 'long-e2e',
    partOf: 'long',
    long: true,
    minutes: 180,
    uses: ['packing'],
    built: true,
    guest: true,
    electron: true,
    command: playwright({ files: ['killed', 'together', 'installed', 'screen-lasts'], env: { HARTBOX_LONG: '1' } }),
    read: readPlaywright,
  },
];

requireNode();
const unknown = only.filter((name) => ![...checks, ...suites].some((part) => part.name === name));
if (unknown.length > 0) {
  console.error(
    `No part of the tests is called ${unknown.join(' or ')}. There are: ${[...checks, ...suites].map((part) => part.name).join(', ')}.`,
  );
  process.exit(2);
}
const chosen = (part) => (only.length === 0 ? !part.long : only.includes(part.name) || only.includes(part.partOf));
const total = { passed: 0, failed: 0, skipped: 0 };
const began = Date.now();
// Nothing that a test does may touch the VMs of the person who runs it.
process.env.HARTBOX_HOME = testHome;
try {
  await main();
} catch (error) {
  report('set-up', { passed: 0, failed: 1, skipped: 0 }, Date.now() - began, error.message);
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed > 0 ? 1 : 0);

async function main() {
  await ensurePackages();
  // On Windows a virus scanner may have them open for a moment.
  rmSync(reports, { recursive: true, force: true, maxRetries: 6, retryDelay: 100 });
  mkdirSync(reports, { recursive: true });
  const queue = checks.filter(chosen);
  const lanes = [1, 2].map(async () => {
    for (let check = queue.shift(); check; check = queue.shift()) await runCheck(check.name, process.execPath, check.command());
  });
  await Promise.race(lanes);
  await runSuites();
  await Promise.all(lanes);
}

async function runSuites() {
  const wanted = suites.filter(chosen);
  const missing = wanted.some((suite) => suite.needs || suite.uses) ? await ensureSystemPackages() : {};
  const runnable = [];
  for (const suite of wanted) {
    const lacking = (suite.needs ?? []).flatMap((group) => missing[group]);
    const reason =
      lacking.length > 0 ? `needs what these Debian packages hold: ${lacking.join(' ')}` : suite.electron ? await lackOfElectron() : '';
    // Where nobody looks, a green run must have seen Electron.
    const isWanted = suite.electron && process.env.CI === 'true';
    if (reason) report(suite.name, { passed: 0, failed: isWanted ? 1 : 0, skipped: isWanted ? 0 : 1 }, 0, reason);
    else runnable.push(suite);
  }
  const built = await attempt(
    'build',
    runnable.some((suite) => suite.built),
    () => ensureBuild(),
  );
  const guest =
    built &&
    (await attempt(
      'default guest',
      runnable.some((suite) => suite.guest),
      async () => {
        const { code, output } = await run(process.execPath, [join(root, 'out', 'main', 'cli.js'), 'setup'], {
          output: 'capture',
          timeout: 10 * MINUTE,
        });
        if (code !== 0) throw new Error(output.trim());
      },
    ));
  for (const suite of runnable) {
    if ((suite.built && !built) || (suite.guest && !guest)) {
      report(suite.name, { passed: 0, failed: 1, skipped: 0 }, 0, 'not run, because of the failure above');
    } else {
      await runSuite(suite);
    }
  }
}

/** A step that others need: counted as one where it is needed. */
async function attempt(name, needed, step) {
  if (!needed) return true;
  const start = Date.now();
  try {
    await step();
    report(name, { passed: 1, failed: 0, skipped: 0 }, Date.now() - start);
    return true;
  } catch (error) {
    report(name, { passed: 0, failed: 1, skipped: 0 }, Date.now() - start, error.message);
    return false;
  }
}

async function runCheck(name, command, args) {
  const start = Date.now();
  const { code, output, timedOut } = await run(command, args, { output: 'capture', timeout: 10 * MINUTE });
  const passed = code === 0 ? 1 : 0;
  report(
    name,
    { passed, failed: 1 - passed, skipped: 0 },
    Date.now() - start,
    passed ? '' : timedOut ? 'took more than 10 minutes' : output.trim(),
  );
}

async function runSuite(suite) {
  const start = Date.now();
  console.log(`\n--- ${suite.name} ---`);
  const file = join(reports, `${suite.name}.json`);
  const { args, env } = suite.command(file);
  const { code, timedOut } = await run(process.execPath, args, {
    env: { ...(process.stdout.isTTY ? {} : { NO_COLOR: '1', FORCE_COLOR: undefined }), ...env },
    timeout: suite.minutes * MINUTE,
  });
  let note = timedOut ? `ended after ${suite.minutes} minutes` : '';
  let counts = { passed: 0, failed: 0, skipped: 0 };
  if (existsSync(file)) counts = suite.read(JSON.parse(readFileSync(file, 'utf8')));
  if (code !== 0 && counts.failed === 0) {
    counts.failed = 1;
    note ||= `${suite.name} ended with exit code ${code}`;
  }
  for (const test of counts.retried ?? []) note += `${note && '\n'}passed only at the second try: ${test}`;
  report(suite.name, counts, Date.now() - start, note);
}

/** @param {(string | { files?: string[], env?: Record<string, string> })[]} projects */
function vitest(...projects) {
  const names = projects.filter((project) => typeof project === 'string');
  const { files = [], env = {} } = projects.find((project) => typeof project === 'object') ?? {};
  return (file) => ({
    args: [
      packageCommand('vitest'),
      'run',
      ...names.flatMap((name) => ['--project', name]),
      '--passWithNoTests',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
      ...files,
    ],
    env,
  });
}

function readVitest(report) {
  // A file that fails before its first test counts as one.
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  const tests = report.testResults.flatMap((file) => file.assertionResults);
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
    // The error of the first try is kept.
    retried: tests
      .filter((test) => test.status === 'passed' && test.failureMessages?.length > 0)
      .map((test) => `${test.fullName}: ${test.failureMessages[0]}`),
  };
}

/** Why Electron cannot run here, or ''. */
async function lackOfElectron() {
  try {
    await ensureElectronLibraries(await electronPath(), { display: true });
    return '';
  } catch (error) {
    return error.message;
  }
}

/** @param {{ files?: string[], env?: Record<string, string> }} options */
function playwright({ files = [], env = {} } = {}) {
  return (file) => ({
    args: [packageCommand('@playwright/test', 'playwright'), 'test', '--reporter=list,json', ...files],
    env: { ...env, PLAYWRIGHT_JSON_OUTPUT_NAME: file },
  });
}

function readPlaywright({ stats, errors }) {
  return {
    passed: stats.expected + stats.flaky,
    failed: stats.unexpected + (errors.length > 0 && stats.unexpected === 0 ? 1 : 0),
    skipped: stats.skipped,
    // Which ones, its list says.
    retried: Array.from({ length: stats.flaky }, () => 'see above'),
  };
}

function report(name, { passed, failed, skipped }, milliseconds, note = '') {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  const parts = [passed && `${passed} passed`, failed && `${failed} FAILED`, skipped && `${skipped} skipped`].filter(Boolean);
  console.log(`${name.padEnd(14)} ${parts.join(', ').padEnd(24)} ${(milliseconds / 1000).toFixed(1).padStart(6)} s`);
  if (note) console.log(note.replace(/^/gm, '    '));
}
