import { describe, expect, it } from 'vitest';
import { SerialKeyboard } from './serial-keyboard';
import { keyFor } from './us-keyboard';

const EV_KEY = 1;
const [CTRL, SHIFT, ALT, CAPS, UP, F2, DELETE] = [29, 42, 56, 58, 103, 60, 111];
const press = (code: number, value = 1) => ({ type: EV_KEY, code, value });
const stroke = (code: number) => [press(code), press(code, 0)];

describe('a keyboard at the end of a serial line', () => {
  it('sends each character that keys can type', () => {
    const keyboard = new SerialKeyboard();
    const text = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('');
    for (const character of `${text}\t`) {
      const { code, isShifted } = keyFor(character)!;
      expect(keyboard.type(isShifted ? [press(SHIFT), ...stroke(code), press(SHIFT, 0)] : stroke(code))).toBe(character);
    }
  });

  it("sends what terminals send for Enter, Escape, Backspace and the keys without characters, and Ctrl's and Alt's", () => {
    const keyboard = new SerialKeyboard();
    expect([28, 1, 14, UP, F2, DELETE].map((code) => keyboard.type(stroke(code)))).toEqual([
      '\r',
      '\x1b',
      '\x7f',
      '\x1b[A',
      '\x1bOQ',
      '\x1b[3~',
    ]);
    const [c, x] = [keyFor('c')!.code, keyFor('x')!.code];
    expect(keyboard.type([press(CTRL), ...stroke(c), press(CTRL, 0), ...stroke(c)])).toBe('\x03c');
    expect(keyboard.type([press(ALT), ...stroke(x), press(ALT, 0)])).toBe('\x1bx');
  });

  it('sends a key that is held once, and large letters with Caps Lock', () => {
    const keyboard = new SerialKeyboard();
    const [a, one] = [keyFor('a')!.code, keyFor('1')!.code];
    expect(keyboard.type([press(a), press(a, 2), press(a, 2), press(a, 0)])).toBe('a');
    expect(keyboard.type([...stroke(CAPS), ...stroke(a), ...stroke(one)])).toBe('A1');
    expect(keyboard.type([press(SHIFT), ...stroke(a), ...stroke(one), press(SHIFT, 0), ...stroke(CAPS), ...stroke(a)])).toBe('a!a');
    expect(keyboard.type([{ type: 0, code: a, value: 1 }, ...stroke(240)])).toBe('');
  });
});
