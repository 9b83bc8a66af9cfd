import type { Input } from '../../engine/runner/control';
import { keyCodeOf } from './key-codes';

type Reports = Input['reports'];
type Key = Pick<KeyboardEvent, 'type' | 'code' | 'repeat' | 'timeStamp'>;

// Of Linux's input-event-codes.h.
const EV_KEY = 1;
/** Within so many milliseconds Windows presses the left Ctrl key and AltGr where a user has pressed AltGr. */
const ALT_GR_MS = 20;
const MODIFIERS = /^(Control|Shift|Alt|Meta)(Left|Right)$|^CapsLock$/;

/**
 * Keys that go down and up in the window, as the guest's keyboard: by where they are. The guest repeats by itself what is held; keys of which the
 * window does not learn that they went up are let go.
 */
export class GuestKeyboard {
  /** By KeyboardEvent.code, when they went down. */
  readonly #held = new Map<string, number>();

  constructor(
    private readonly send: (reports: Reports) => void,
    private readonly platform: 'win32' | 'darwin' | 'linux' | (string & {}),
  ) {}

  /** Something happened to a key. False where it is none of the guest's. */
  take({ type, code, repeat, timeStamp }: Key): boolean {
    const number = keyCodeOf(code);
    if (number === undefined) return false;
    if (type === 'keydown') {
      if (repeat || this.#held.has(code)) return true;
      const control = this.#held.get('ControlLeft');
      if (this.platform === 'win32' && code === 'AltRight' && control !== undefined && timeStamp - control < ALT_GR_MS)
        this.#up('ControlLeft');
      this.#held.set(code, timeStamp);
      this.#report([[number, 1]]);
    } else if (this.#held.has(code)) {
      this.#up(code);
      // macOS does not tell of keys that go up while Command is held.
      if (this.platform === 'darwin' && code.startsWith('Meta'))
        for (const other of [...this.#held.keys()]) if (!MODIFIERS.test(other)) this.#up(other);
    }
    return true;
  }

  /** Let go of everything. */
  release(): void {
    for (const code of [...this.#held.keys()]) this.#up(code);
  }

  /** Press these together, and let go of them from the last to the first. */
  press(codes: readonly string[]): void {
    const numbers = codes.map(keyCodeOf).filter((number) => number !== undefined);
    this.release();
    this.#report(numbers.map((number) => [number, 1]));
    this.#report(numbers.reverse().map((number) => [number, 0]));
  }

  /** Do something while this key is down. */
  during(code: string, act: () => void): void {
    const number = keyCodeOf(code);
    if (number === undefined || this.#held.has(code)) {
      act();
      return;
    }
    this.#report([[number, 1]]);
    act();
    this.#report([[number, 0]]);
  }

  #up(code: string): void {
    this.#held.delete(code);
    this.#report([[keyCodeOf(code) as number, 0]]);
  }

  #report(keys: [code: number, value: number][]): void {
    if (keys.length > 0) this.send(keys.map(([code, value]) => [{ type: EV_KEY, code, value }]));
  }
}
