import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { pacedWriter } from './paced-writer';

it('lets the sender wait while the stream has more than it takes, and no longer', async () => {
  const lines: string[] = [];
  let takeOne: (() => void) | undefined;
  const stream = new Writable({
    highWaterMark: 8,
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(chunk.toString());
      takeOne = done;
    },
  });
  const write = pacedWriter(stream);
  expect(write('one\n')).toBeUndefined();
  const held = write('two and more\n');
  expect(held).toBeInstanceOf(Promise);
  expect(write('three\n')).toBe(held);
  const settled = held?.then(() => 'settled');
  for (let i = 0; i < 3; i++) {
    expect(await Promise.race([settled, Promise.resolve('waiting')])).toBe('waiting');
    takeOne?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await settled).toBe('settled');
  expect(lines.join('')).toBe('one\ntwo and more\nthree\n');
  expect(write('four\n')).toBeUndefined();
});

it('waits for nobody who is gone', async () => {
  const stream = new Writable({ highWaterMark: 1, write: () => undefined });
  const write = pacedWriter(stream);
  const held = write('one\n');
  stream.destroy();
  await held;
  expect(write('two\n')).toBeUndefined();
});
