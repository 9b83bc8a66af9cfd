import { Worker } from 'node:worker_threads';
import { beforeEach } from 'vitest';

/**
 * Set up for each file of tests: Vitest's timeouts do not reach a test that blocks its thread, as a parser, a device or translated code would
 * that comes to no end. A thread beside sees that, says which test it is, and ends the process: that file has failed then, and the others go on.
 */

/** Milliseconds between two looks, and how many in a row may find the thread where it was: longer than any test may take. A process that was stopped misses one. */
const [INTERVAL, LOOKS] = [30_000, 11];

const watch = `
const { workerData: { beats, name, pid, interval, looks } } = require('node:worker_threads');
for (let last = 0, missed = 0; ; ) {
  Atomics.wait(beats, 1, 0, interval);
  const now = Atomics.load(beats, 0);
  missed = now === last ? missed + 1 : 0;
  last = now;
  if (missed < looks) continue;
  const test = Buffer.from(name).toString().replaceAll('\\0', '');
  require('node:fs').writeSync(2, 'Blocked its thread for ' + Math.round((interval * looks) / 1000) + ' s, and was ended: ' + test + '\\n');
  process.kill(pid, 'SIGKILL');
}`;

// A campaign may take its time.
if (process.env['HARTBOX_LONG'] === undefined) {
  const beats = new Int32Array(new SharedArrayBuffer(8));
  const name = new Uint8Array(new SharedArrayBuffer(1024));
  new Worker(watch, { eval: true, workerData: { beats, name, pid: process.pid, interval: INTERVAL, looks: LOOKS } }).unref();
  setInterval(() => Atomics.add(beats, 0, 1), INTERVAL / 4).unref();
  beforeEach(({ task }) => {
    name.fill(0);
    new TextEncoder().encodeInto(`${task.file.name} > ${task.name}`, name);
  });
}
