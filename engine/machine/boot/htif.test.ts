import { beforeEach, describe, expect, it } from 'vitest';
import { GuestMemory } from '../../memory/guest-memory';
import { createMemory, planMemory } from '../../memory/memory-plan';
import { Htif } from './htif';

const BASE = 0x80000000;
const TOHOST = BASE + 0x100;
const FROMHOST = BASE + 0x108;
const CALL = BASE + 0x200;
const TEXT = BASE + 0x300;

const plan = planMemory(1, [{ base: BASE, size: 0x10000 }]);
const memory = new GuestMemory(createMemory(plan), plan);
let exits: number[] = [];
let output = '';
/** What the reader of the output returns. */
let held: Promise<void> | undefined;
let htif: Htif;

function tohost(device: number, command: number, payload: number): void {
  memory.writeU64(TOHOST, payload);
  memory.view(TOHOST, 8).set([command, device], 6);
  htif.write();
}

function call(...words: number[]): void {
  for (const [i, word] of words.entries()) memory.writeU64(CALL + 8 * i, word);
  tohost(0, 0, CALL);
}

beforeEach(() => {
  memory.view(BASE, 0x10000).fill(0);
  exits = [];
  output = '';
  held = undefined;
  htif = new Htif({
    memory,
    tohost: TOHOST,
    fromhost: FROMHOST,
    output: (data) => {
      output += Buffer.from(data).toString();
      return held;
    },
    exit: (code) => exits.push(code),
  });
});

describe('Htif', () => {
  it.each([
    [1, 0],
    [(5 << 1) | 1, 5],
    [(1337 << 1) | 1, 1337],
  ])('ends the machine on the odd value %i with code %i', (value, code) => {
    htif.poll();
    expect(exits).toEqual([]);
    tohost(0, 0, value);
    expect(exits).toEqual([code]);
  });

  it('lets a program wait whose reader is behind', async () => {
    let release = (): void => undefined;
    held = new Promise((resolve) => {
      release = resolve;
    });
    tohost(1, 1, 97);
    held = undefined;
    tohost(1, 1, 98);
    expect(output).toBe('a');
    expect(memory.readU64(TOHOST)).not.toBe(0);
    release();
    await Promise.resolve();
    await Promise.resolve();
    htif.poll();
    htif.poll();
    expect(output).toBe('ab');
    expect(memory.readU64(TOHOST)).toBe(0);
  });

  it('waits for the second half of a request, as far as a poll can tell', () => {
    memory.data.setUint32(memory.offsetOf(TOHOST, 4), 97, true);
    htif.poll();
    expect(exits).toEqual([]);
    tohost(1, 1, 97);
    expect(output).toBe('a');
    memory.data.setUint32(memory.offsetOf(TOHOST, 4), (3 << 1) | 1, true);
    htif.poll();
    htif.poll();
    expect(exits).toEqual([3]);
  });

  it('writes characters, and is ready for the next', () => {
    for (const letter of 'ok') {
      tohost(1, 1, letter.charCodeAt(0));
      expect(memory.readU64(TOHOST)).toBe(0);
    }
    expect(output).toBe('ok');
    expect(memory.readU64(FROMHOST)).toBe(0);
  });

  it('serves the write call and answers it', () => {
    memory.copyIn(TEXT, Buffer.from('hello'));
    call(64, 1, TEXT, 5);
    expect(output).toBe('hello');
    expect(memory.readU64(CALL)).toBe(5);
    expect(memory.readU64(FROMHOST)).toBe(1);
    expect(memory.readU64(TOHOST)).toBe(0);
  });

  it('answers wild calls with an error', () => {
    call(64, 1, 0x1000, 5);
    expect(memory.view(CALL, 8).every((byte) => byte === 0xff)).toBe(true);
    call(64, 1, TEXT, 2 ** 40);
    call(57, 1, 2, 3);
    tohost(0, 0, 0x1000_0000);
    tohost(9, 9, 2);
    expect(memory.readU64(TOHOST)).toBe(0);
    expect(output).toBe('');
    expect(exits).toEqual([]);
  });
});
