import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { takeOutput } from './utility-output';

/** Ends as Electron has it: without a listener on what is still to be read. */
class FakeProcess extends EventEmitter {
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  exit(): void {
    this.emit('exit', 0);
    this.stdout.removeAllListeners();
    this.stderr.removeAllListeners();
  }
}

function follow(child: FakeProcess): { text: { stdout: string; stderr: string }; done: Promise<void> } {
  const text = { stdout: '', stderr: '' };
  const done = takeOutput(child as never, {
    stdout: (more) => (text.stdout += more),
    stderr: (more) => (text.stderr += more),
  });
  return { text, done };
}

it('hears what is read only after the end', async () => {
  const child = new FakeProcess();
  const { text, done } = follow(child);
  child.stdout.write('first, ');
  await delay(1);
  child.exit();
  await delay(5);
  child.stdout.end('last');
  child.stderr.end('why');
  await done;
  expect(text).toEqual({ stdout: 'first, last', stderr: 'why' });
});

it('hears each piece once, and whole letters, where listeners stay', async () => {
  const child = new FakeProcess();
  const { text, done } = follow(child);
  const letters = Buffer.from('grün');
  child.stdout.write(letters.subarray(0, 3));
  child.emit('exit', 0);
  child.stdout.end(letters.subarray(3));
  child.stderr.end();
  await done;
  expect(text).toEqual({ stdout: 'grün', stderr: '' });
});
