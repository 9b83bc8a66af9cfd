import { EV_KEY, EV_LED, EV_REL, EV_REP, type InputAxis, type InputEvent, type InputProfile, VirtioInput } from './input';

/** What a person has at hand, and a machine can have. */
export type InputKind = 'keyboard' | 'mouse' | 'tablet' | 'touchscreen';

/** Numbers from `first` to `last`. */
const range = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);

// Codes of Linux's input-event-codes.h.
const INPUT_PROP_POINTER = 0;
const INPUT_PROP_DIRECT = 1;
/** KEY_ESC to KEY_MICMUTE: all of PC, ABNT2, JIS and Apple keyboards, and of media keys. */
const KEYS = range(1, 248);
/** Num Lock, Caps Lock, Scroll Lock, Compose, Kana. */
const LAMPS = range(0, 4);
/** BTN_LEFT to BTN_TASK. */
const BUTTONS = range(0x110, 0x117);
const BTN_TOUCH = 0x14a;
const [REL_X, REL_Y, REL_HWHEEL, REL_WHEEL, REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES] = [0, 1, 6, 8, 11, 12];
const WHEELS = [REL_HWHEEL, REL_WHEEL, REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES];
const [ABS_X, ABS_Y, ABS_MT_SLOT, ABS_MT_POSITION_X, ABS_MT_POSITION_Y, ABS_MT_TRACKING_ID] = [0, 1, 0x2f, 0x35, 0x36, 0x39];
/** Of pointers that are somewhere: the whole width and the whole height of a screen, whatever its size. */
const ACROSS: InputAxis = { min: 0, max: 32767 };
/** Fingers that are told apart. */
const FINGERS = 10;

/** What the guest is told of each. */
const PROFILES: Readonly<Record<InputKind, InputProfile>> = {
  keyboard: { name: 'Hartbox Keyboard', events: { [EV_KEY]: KEYS, [EV_LED]: LAMPS, [EV_REP]: [0, 1] } },
  mouse: { name: 'Hartbox Mouse', properties: [INPUT_PROP_POINTER], events: { [EV_KEY]: BUTTONS, [EV_REL]: [REL_X, REL_Y, ...WHEELS] } },
  tablet: {
    name: 'Hartbox Tablet',
    properties: [INPUT_PROP_POINTER],
    events: { [EV_KEY]: BUTTONS, [EV_REL]: WHEELS },
    axes: { [ABS_X]: ACROSS, [ABS_Y]: ACROSS },
  },
  touchscreen: {
    name: 'Hartbox Touchscreen',
    properties: [INPUT_PROP_DIRECT],
    events: { [EV_KEY]: [BTN_TOUCH] },
    axes: {
      [ABS_X]: ACROSS,
      [ABS_Y]: ACROSS,
      [ABS_MT_SLOT]: { min: 0, max: FINGERS - 1 },
      [ABS_MT_POSITION_X]: ACROSS,
      [ABS_MT_POSITION_Y]: ACROSS,
      [ABS_MT_TRACKING_ID]: { min: 0, max: 65535 },
    },
  },
};
export const INPUT_KINDS = Object.keys(PROFILES) as InputKind[];

/** A keyboard, a mouse, a tablet that says where it points, or a touch screen for ten fingers. */
export class HumanInput extends VirtioInput {
  readonly #lit: Set<number>;

  constructor(readonly kind: InputKind) {
    const lit = new Set<number>();
    const onStatus = ({ type, code, value }: InputEvent): void => {
      if (type !== EV_LED) return;
      if (value) lit.add(code);
      else lit.delete(code);
    };
    super({ profile: { ...PROFILES[kind], ids: { bus: 6, vendor: 0, product: 1 + INPUT_KINDS.indexOf(kind), version: 1 } }, onStatus });
    this.#lit = lit;
  }

  /** Lamps that the guest has switched on: their codes, LED_NUML (0) and so on. */
  get lamps(): number[] {
    return [...this.#lit].sort((a, b) => a - b);
  }

  protected override onReset(): void {
    super.onReset();
    this.#lit.clear();
  }
}
