import type { ReadStream, WriteStream } from 'node:tty';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HostTerminal } from './host-terminal';

let modes: boolean[];
let written: string;
let closed: boolean;
let terminal: HostTerminal;

beforeEach(() => {
  modes = [];
  written = '';
  closed = false;
  const input = {
    isTTY: true,
    setRawMode: (raw: boolean) => {
      if (closed) throw Object.assign(new Error('setRawMode EIO'), { code: 'EIO' });
      modes.push(raw);
    },
  } as Partial<ReadStream> as ReadStream;
  const output = {
    isTTY: true,
    write: (text: string) => {
      written += text;
      return true;
    },
  } as Partial<WriteStream> as WriteStream;
  terminal = new HostTerminal(input, output);
});
afterEach(() => {
  terminal.giveBack();
});

describe('HostTerminal', () => {
  it('is raw while it is lent, and put right afterwards', () => {
    terminal.lend();
    expect(modes).toEqual([true]);
    terminal.giveBack();
    terminal.giveBack();
    expect(modes).toEqual([true, false]);
    expect(written).toContain('\x1b[?25h');
  });

  it('is raw again when the process goes on after it was stopped, and only while it is lent', () => {
    terminal.lend();
    process.emit('SIGCONT');
    expect(modes).toEqual([true, false, true]);
    terminal.giveBack();
    process.emit('SIGCONT');
    expect(modes).toEqual([true, false, true, false]);
  });

  it('bears that the terminal was closed', () => {
    terminal.lend();
    closed = true;
    expect(() => terminal.giveBack()).not.toThrow();
    expect(written).toBe('');
  });
});
