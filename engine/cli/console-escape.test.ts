import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConsoleEscape, ESCAPE_BYTE } from './console-escape';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('ConsoleEscape', () => {
  it('passes ordinary input through as it is', () => {
    const input = bytes('ls -l\r\x03\x1b[A');
    expect(new ConsoleEscape().filter(input)).toEqual({ forward: input, commands: [] });
  });

  it('quits on Ctrl-A x and drops what follows', () => {
    expect(new ConsoleEscape().filter(bytes('a\x01xb'))).toEqual({ forward: bytes('a'), commands: ['quit'] });
  });

  it('helps on Ctrl-A h and goes on', () => {
    expect(new ConsoleEscape().filter(bytes('a\x01hb'))).toEqual({ forward: bytes('ab'), commands: ['help'] });
  });

  it('asks for statistics on Ctrl-A s', () => {
    expect(new ConsoleEscape().filter(bytes('\x01s'))).toEqual({ forward: bytes(''), commands: ['statistics'] });
  });

  it('goes on after a full disk on Ctrl-A c', () => {
    expect(new ConsoleEscape().filter(bytes('\x01c'))).toEqual({ forward: bytes(''), commands: ['continue'] });
  });

  it('sends one Ctrl-A for two', () => {
    expect(new ConsoleEscape().filter(bytes('\x01\x01'))).toEqual({ forward: Uint8Array.of(ESCAPE_BYTE), commands: [] });
  });

  it('swallows other keys after Ctrl-A', () => {
    expect(new ConsoleEscape().filter(bytes('\x01qz'))).toEqual({ forward: bytes('z'), commands: [] });
  });

  it('gives the same result however the input is split', () => {
    const typed = fc.array(fc.constantFrom(...'ab\x01hx'), { maxLength: 20 }).map((typed) => bytes(typed.join('')));
    fc.assert(
      fc.property(typed, fc.nat(20), (input, cut) => {
        const whole = new ConsoleEscape().filter(input);
        const keys = new ConsoleEscape();
        const first = keys.filter(input.subarray(0, cut));
        const second = first.commands.includes('quit') ? { forward: new Uint8Array(), commands: [] } : keys.filter(input.subarray(cut));
        expect([...first.forward, ...second.forward]).toEqual([...whole.forward]);
        expect([...first.commands, ...second.commands]).toEqual(whole.commands);
      }),
    );
  });
});
