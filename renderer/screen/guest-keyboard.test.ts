import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Input } from '../../engine/runner/control';
import { CHORDS, isPressed, RELEASES } from './chords';
import { GuestKeyboard } from './guest-keyboard';
import { KNOWN_KEYS, keyCodeOf } from './key-codes';

/** What goes down and up in the guest, as `+30` and `-30`. */
function guest(platform = 'linux') {
  const heard: string[] = [];
  const keyboard = new GuestKeyboard((reports: Input['reports']) => {
    for (const { code, value } of reports.flat()) heard.push(`${value ? '+' : '-'}${code}`);
  }, platform);
  const key = (type: 'keydown' | 'keyup', code: string, { repeat = false, timeStamp = 0 } = {}): boolean =>
    keyboard.take({ type, code, repeat, timeStamp });
  return { heard, keyboard, key };
}

describe('GuestKeyboard', () => {
  it('tells of keys that go down and up, and not of their repetition', () => {
    const { heard, key } = guest();
    expect(key('keydown', 'KeyA')).toBe(true);
    expect(key('keydown', 'KeyA', { repeat: true })).toBe(true);
    expect(key('keydown', 'KeyA')).toBe(true);
    key('keyup', 'KeyA');
    // It went down elsewhere.
    key('keyup', 'KeyB');
    expect(key('keydown', 'Unidentified')).toBe(false);
    expect(heard).toEqual(['+30', '-30']);
  });

  it('leaves nothing down, whatever happened, once it is let go', () => {
    const event = fc.record({
      type: fc.constantFrom('keydown' as const, 'keyup' as const),
      code: fc.constantFrom(...KNOWN_KEYS.slice(0, 60), 'MetaLeft', 'AltRight', 'ControlLeft'),
      repeat: fc.boolean(),
      timeStamp: fc.nat(100),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), fc.constantFrom('linux', 'win32', 'darwin'), (events, platform) => {
        const { heard, keyboard } = guest(platform);
        for (const one of events) keyboard.take(one);
        keyboard.release();
        const down = new Set<string>();
        for (const one of heard) {
          // Never twice the same.
          expect(down.has(one.slice(1))).toBe(one.startsWith('-'));
          if (one.startsWith('+')) down.add(one.slice(1));
          else down.delete(one.slice(1));
        }
        expect([...down]).toEqual([]);
      }),
    );
  });

  it('takes back the Ctrl that Windows puts before AltGr, and none that a user has pressed', () => {
    const { heard, key } = guest('win32');
    key('keydown', 'ControlLeft', { timeStamp: 1000 });
    key('keydown', 'AltRight', { timeStamp: 1001 });
    expect(heard).toEqual(['+29', '-29', '+100']);
    key('keyup', 'ControlLeft');
    key('keyup', 'AltRight');
    expect(heard).toEqual(['+29', '-29', '+100', '-100']);
    const slow = guest('win32');
    slow.key('keydown', 'ControlLeft', { timeStamp: 1000 });
    slow.key('keydown', 'AltRight', { timeStamp: 1300 });
    expect(slow.heard).toEqual(['+29', '+100']);
  });

  it('lets go of what macOS keeps silent about, with Command, but not of other modifiers', () => {
    const { heard, key } = guest('darwin');
    for (const code of ['ShiftLeft', 'MetaLeft', 'KeyC']) key('keydown', code);
    key('keyup', 'MetaLeft');
    expect(heard).toEqual(['+42', '+125', '+46', '-125', '-46']);
  });

  it('presses chords, with nothing else held', () => {
    const { heard, key, keyboard } = guest();
    key('keydown', 'ShiftLeft');
    keyboard.press(['ControlLeft', 'AltLeft', 'Delete']);
    expect(heard).toEqual(['+42', '-42', '+29', '+56', '+111', '-111', '-56', '-29']);
    expect(CHORDS.flat().filter((code) => keyCodeOf(code) === undefined)).toEqual([]);
  });
});

describe('GuestKeyboard.during', () => {
  it('holds a key for as long as something happens, unless the user does', () => {
    const { heard, key, keyboard } = guest();
    keyboard.during('ControlLeft', () => heard.push('now'));
    key('keydown', 'ControlLeft');
    keyboard.during('ControlLeft', () => heard.push('now'));
    expect(heard).toEqual(['+29', 'now', '-29', '+29', 'now']);
  });
});

describe('isPressed', () => {
  const free = { type: 'keydown', ctrlKey: false, altKey: false, shiftKey: false, metaKey: false, getModifierState: () => false };
  const held = { ...free, ctrlKey: true, altKey: true };
  it('is Ctrl+Alt+G and nothing else', () => {
    const isRelease = (event: Parameters<typeof isPressed>[1]) => isPressed(RELEASES['ctrl-alt-g'], event);
    expect(isRelease({ ...held, code: 'KeyG' })).toBe(true);
    expect(isRelease({ ...held, code: 'KeyG', type: 'keyup' })).toBe(false);
    expect(isRelease({ ...held, code: 'KeyH' })).toBe(false);
    expect(isRelease({ ...held, code: 'KeyG', shiftKey: true })).toBe(false);
    expect(isRelease({ ...held, code: 'KeyG', altKey: false })).toBe(false);
    // AltGr+G writes a character on many keyboards.
    expect(isRelease({ ...held, code: 'KeyG', getModifierState: (name) => name === 'AltGraph' })).toBe(false);
  });

  it('is the chord that was chosen', () => {
    const right = { ...free, code: 'ControlRight', ctrlKey: true };
    expect(isPressed(RELEASES['right-ctrl'], right)).toBe(true);
    expect(isPressed(RELEASES['right-ctrl'], { ...right, code: 'ControlLeft' })).toBe(false);
    expect(isPressed(RELEASES['ctrl-shift-f12'], { ...free, code: 'F12', ctrlKey: true, shiftKey: true })).toBe(true);
    expect(isPressed(RELEASES['ctrl-shift-f12'], { ...free, code: 'F12', ctrlKey: true })).toBe(false);
    for (const chord of Object.values(RELEASES)) expect(chord.filter((code) => keyCodeOf(code) === undefined)).toEqual([]);
  });
});
