import { KEY_LEFTSHIFT } from '../us-keyboard';
import { keyOfKeysym, keyOfScancode } from './keys';
import type { InputReport, Seat } from './seat';

const [EV_KEY, EV_REL, EV_ABS] = [1, 2, 3];
const [ABS_X, ABS_Y] = [0, 1];
const [REL_HWHEEL, REL_WHEEL, REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES] = [6, 8, 11, 12];
/** A notch of a wheel in the units of the "high resolution" axes. */
const NOTCH = 120;
const KEY_RIGHTSHIFT = 54;
/** The buttons of VNC's mask that are buttons, by its bits. */
const BUTTONS = [0x110, 0x112, 0x111] as const;
/** Those that are turns of a wheel. */
const WHEELS = [
  { bit: 3, axis: REL_WHEEL, fine: REL_WHEEL_HI_RES, way: 1 },
  { bit: 4, axis: REL_WHEEL, fine: REL_WHEEL_HI_RES, way: -1 },
  { bit: 5, axis: REL_HWHEEL, fine: REL_HWHEEL_HI_RES, way: -1 },
  { bit: 6, axis: REL_HWHEEL, fine: REL_HWHEEL_HI_RES, way: 1 },
] as const;
/** As far as the tablet's axes go. */
const ACROSS = 32767;

/** Keys and pointer of one client: what it holds it lets go when it leaves. */
export class Hands {
  readonly #held = new Set<number>();
  /** Keys by what the client called them when it pressed them. */
  readonly #names = new Map<number, number>();
  #buttons = 0;

  constructor(private readonly seat: Seat) {}

  /** A key by what it types, on a US keyboard. */
  key(keysym: number, isDown: boolean): void {
    const name = keysym;
    if (!isDown) {
      const code = this.#names.get(name);
      this.#names.delete(name);
      if (code !== undefined) this.#press(code, false);
      return;
    }
    const key = keyOfKeysym(keysym);
    if (!key) return;
    this.#names.set(name, key.code);
    // Of who types a capital by another keyboard's key.
    const needsShift = key.isShifted === true && !this.#held.has(KEY_LEFTSHIFT) && !this.#held.has(KEY_RIGHTSHIFT);
    if (needsShift) this.#press(KEY_LEFTSHIFT, true);
    this.#press(key.code, true);
    if (needsShift) this.#press(KEY_LEFTSHIFT, false);
  }

  /** A key by where it is; where that is not known, by what it types. */
  scancode(scancode: number, keysym: number, isDown: boolean): void {
    const code = keyOfScancode(scancode);
    if (code === undefined) this.key(keysym, isDown);
    else this.#press(code, isDown);
  }

  /** The pointer is there, on a picture of that size; bits of `buttons` as in RFC 6143 §7.5.5. */
  pointer(x: number, y: number, buttons: number, size: { width: number; height: number }): void {
    const along = (at: number, length: number): number => Math.min(ACROSS, Math.round((at * ACROSS) / Math.max(length - 1, 1)));
    const report: { type: number; code: number; value: number }[] = [
      { type: EV_ABS, code: ABS_X, value: along(x, size.width) },
      { type: EV_ABS, code: ABS_Y, value: along(y, size.height) },
    ];
    const changed = buttons ^ this.#buttons;
    for (const [bit, code] of BUTTONS.entries()) {
      if (changed & (1 << bit)) report.push({ type: EV_KEY, code, value: (buttons >> bit) & 1 });
    }
    for (const { bit, axis, fine, way } of WHEELS) {
      if (changed & buttons & (1 << bit))
        report.push({ type: EV_REL, code: axis, value: way }, { type: EV_REL, code: fine, value: way * NOTCH });
    }
    this.#buttons = buttons;
    this.#tell('tablet', report);
  }

  /** The client has gone. */
  letGo(): void {
    for (const code of [...this.#held]) this.#press(code, false);
    const report: InputReport = [...BUTTONS.entries()]
      .filter(([bit]) => this.#buttons & (1 << bit))
      .map(([, code]) => ({ type: EV_KEY, code, value: 0 }));
    this.#buttons = 0;
    if (report.length > 0) this.#tell('tablet', report);
  }

  /** The guest repeats by itself what is held. */
  #press(code: number, isDown: boolean): void {
    if (isDown === this.#held.has(code)) return;
    if (isDown) this.#held.add(code);
    else this.#held.delete(code);
    this.#tell('keyboard', [{ type: EV_KEY, code, value: isDown ? 1 : 0 }]);
  }

  #tell(device: 'keyboard' | 'tablet', report: InputReport): void {
    if (device === 'keyboard' ? this.seat.hasKeyboard : this.seat.hasTablet) this.seat.input(device, report);
  }
}
