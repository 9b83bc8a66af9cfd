import type { Input } from '../../engine/runner/control';

type Report = Input['reports'][number];
export type PointerDevice = Extract<Input['device'], 'tablet' | 'mouse'>;
/** What is read of a WheelEvent; Chromium says by `wheelDelta…` how far a wheel was turned, in 120ths of a notch, whatever a notch scrolls. */
export interface Turn {
  deltaX: number;
  deltaY: number;
  wheelDeltaX?: number;
  wheelDeltaY?: number;
}

// Of Linux's input-event-codes.h.
const [EV_KEY, EV_REL, EV_ABS] = [1, 2, 3];
const [ABS_X, ABS_Y] = [0, 1];
const [REL_X, REL_Y] = [0, 1];
const [REL_HWHEEL, REL_WHEEL, REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES] = [6, 8, 11, 12];
/** BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA, as bits of MouseEvent.buttons from the lowest. */
const BUTTONS = [0x110, 0x111, 0x112, 0x113, 0x114];
/** As far as the tablet's axes go, across the whole screen. */
const ACROSS = 32767;
const NOTCH = 120;

/** The pointer over the picture of a screen: as the guest's tablet it says where it is and needs not be caught; as its mouse, which is caught, it says how far it went. */
export class GuestPointer {
  /** Buttons that are down, as MouseEvent.buttons has them. */
  #held = 0;
  #at: [x: number, y: number] = [-1, -1];
  /** How far each wheel was turned since the last whole notch. */
  #turned = { x: 0, y: 0 };

  /** Parts of pixels that a mouse went since the last whole one. */
  #gone = { x: 0, y: 0 };
  #device: PointerDevice = 'tablet';

  constructor(private readonly tell: (device: PointerDevice, reports: Report[]) => void) {}

  get device(): PointerDevice {
    return this.#device;
  }

  /** What it is from now on; what was held down is let go of. */
  set device(device: PointerDevice) {
    if (device === this.#device) return;
    this.buttons(0);
    this.#device = device;
    this.#at = [-1, -1];
  }

  /** A mouse went so many pixels. */
  moveBy(x: number, y: number): void {
    const along = (axis: 'x' | 'y', by: number): number => {
      const gone = this.#gone[axis] + by;
      const whole = Math.trunc(gone);
      this.#gone[axis] = gone - whole;
      return whole;
    };
    const by = [along('x', x), along('y', y)];
    const report = [REL_X, REL_Y].map((code, i) => ({ type: EV_REL, code, value: by[i] })).filter(({ value }) => value !== 0);
    if (report.length > 0) this.send([report]);
  }

  /** It is at this pixel, from 0 to `width` - 1, or at the nearest one that there is. */
  move(x: number, y: number, { width, height }: { width: number; height: number }): void {
    const along = (at: number, size: number): number =>
      Math.round((Math.min(Math.max(Math.floor(at), 0), size - 1) * ACROSS) / Math.max(size - 1, 1));
    const at: [number, number] = [along(x, width), along(y, height)];
    if (at[0] === this.#at[0] && at[1] === this.#at[1]) return;
    this.#at = at;
    this.send([
      [
        { type: EV_ABS, code: ABS_X, value: at[0] },
        { type: EV_ABS, code: ABS_Y, value: at[1] },
      ],
    ]);
  }

  /** These buttons are down now, as MouseEvent.buttons has them. */
  buttons(held: number): void {
    const report = BUTTONS.flatMap((code, i) => {
      const [was, is] = [(this.#held >> i) & 1, (held >> i) & 1];
      return was === is ? [] : [{ type: EV_KEY, code, value: is }];
    });
    this.#held = held;
    if (report.length > 0) this.send([report]);
  }

  /** Parts of notches are told too, as by wheels with high resolution and touch pads. */
  wheel({ deltaX, deltaY, wheelDeltaX = -deltaX, wheelDeltaY = -deltaY }: Turn): void {
    const report: Report = [
      // To the right and up count up.
      ...this.#turn('x', -wheelDeltaX, REL_HWHEEL, REL_HWHEEL_HI_RES),
      ...this.#turn('y', wheelDeltaY, REL_WHEEL, REL_WHEEL_HI_RES),
    ];
    if (report.length > 0) this.send([report]);
  }

  private send(reports: Report[]): void {
    this.tell(this.#device, reports);
  }

  #turn(axis: 'x' | 'y', by: number, whole: number, fine: number): Report {
    const amount = Math.round(by);
    if (amount === 0) return [];
    const turned = this.#turned[axis] + amount;
    const notches = Math.trunc(turned / NOTCH);
    this.#turned[axis] = turned - notches * NOTCH;
    const report: Report = [{ type: EV_REL, code: fine, value: amount }];
    if (notches !== 0) report.push({ type: EV_REL, code: whole, value: notches });
    return report;
  }
}
