import { characterOf, KEY_ENTER } from './us-keyboard';

// Of Linux's input-event-codes.h.
const EV_KEY = 1;
const CONTROL = [29, 97];
const SHIFT = [42, 54];
const ALT = [56, 100];
const CAPS_LOCK = 58;
const ESCAPE = '\x1b';

/** What xterm sends for keys that are no characters; firmware knows these. */
const SEQUENCES: ReadonlyMap<number, string> = new Map([
  [1, ESCAPE],
  [14, '\x7f'],
  [15, '\t'],
  [KEY_ENTER, '\r'],
  [96, '\r'],
  ...['OP', 'OQ', 'OR', 'OS', '[15~', '[17~', '[18~', '[19~', '[20~', '[21~'].map((end, i) => [59 + i, ESCAPE + end] as const),
  [87, `${ESCAPE}[23~`],
  [88, `${ESCAPE}[24~`],
  [102, `${ESCAPE}[H`],
  [103, `${ESCAPE}[A`],
  [104, `${ESCAPE}[5~`],
  [105, `${ESCAPE}[D`],
  [106, `${ESCAPE}[C`],
  [107, `${ESCAPE}[F`],
  [108, `${ESCAPE}[B`],
  [109, `${ESCAPE}[6~`],
  [110, `${ESCAPE}[2~`],
  [111, `${ESCAPE}[3~`],
]);

/** A US keyboard at the end of a serial line, for those who have no driver for the machine's: what a terminal sends for each key. */
export class SerialKeyboard {
  readonly #held = new Set<number>();
  #isLocked = false;

  /** What is to be sent for what happened at the keyboard; keys that are held are sent once. */
  type(events: readonly { type: number; code: number; value: number }[]): string {
    let text = '';
    for (const { type, code, value } of events) {
      if (type !== EV_KEY) continue;
      if (value === 0) this.#held.delete(code);
      else this.#held.add(code);
      if (value !== 1) continue;
      if (code === CAPS_LOCK) this.#isLocked = !this.#isLocked;
      text += this.#press(code);
    }
    return text;
  }

  #press(code: number): string {
    const isHeld = (keys: readonly number[]): boolean => keys.some((key) => this.#held.has(key));
    const plain = characterOf(code, false);
    const isLetter = plain !== undefined && /[a-z]/.test(plain);
    const character = characterOf(code, isHeld(SHIFT) !== (this.#isLocked && isLetter));
    const isControl = isHeld(CONTROL) && character !== undefined && /[a-z@[\\\]^_ ]/i.test(character);
    const sent = isControl ? String.fromCharCode(character.charCodeAt(0) & 0x1f) : (character ?? SEQUENCES.get(code) ?? '');
    return sent !== '' && isHeld(ALT) ? ESCAPE + sent : sent;
  }
}
