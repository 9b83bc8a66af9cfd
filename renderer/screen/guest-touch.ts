import type { Input } from '../../engine/runner/control';

type Report = Input['reports'][number];
/** What is read of a PointerEvent. */
export type Finger = Pick<PointerEvent, 'type' | 'pointerId'>;

// Of Linux's input-event-codes.h.
const [EV_KEY, EV_ABS] = [1, 3];
const BTN_TOUCH = 0x14a;
const [ABS_X, ABS_Y, ABS_MT_SLOT, ABS_MT_POSITION_X, ABS_MT_POSITION_Y, ABS_MT_TRACKING_ID] = [0, 1, 0x2f, 0x35, 0x36, 0x39];
/** As far as the axes go, and as many fingers as there are slots (engine/virtio/devices/human-input.ts). */
const ACROSS = 32767;
const FINGERS = 10;
const TRACKING_IDS = 65536;

/** Fingers on the picture of a screen, as the guest's touch screen has them: Linux's multi-touch protocol B, each finger in a slot of its own. */
export class GuestTouch {
  /** PointerEvent.pointerId of the finger in each slot. */
  readonly #slots: (number | undefined)[] = Array.from({ length: FINGERS }, () => undefined);
  #nextId = 0;

  constructor(private readonly send: (reports: Report[]) => void) {}

  /** A finger came, moved or went, at this part of the width and the height: 0 to 1. One too many is not told of. */
  take({ type, pointerId }: Finger, x: number, y: number): void {
    const slot = this.#slots.indexOf(type === 'pointerdown' ? undefined : pointerId);
    if (slot < 0) return;
    if (type === 'pointerup' || type === 'pointercancel') {
      this.#lift(slot);
      return;
    }
    const isNew = type === 'pointerdown';
    const isFirst = this.#slots.every((id) => id === undefined);
    this.#slots[slot] = pointerId;
    const [left, top] = [x, y].map((at) => Math.round(Math.min(Math.max(at, 0), 1) * ACROSS));
    const report: Report = [{ type: EV_ABS, code: ABS_MT_SLOT, value: slot }];
    if (isNew) {
      report.push({ type: EV_ABS, code: ABS_MT_TRACKING_ID, value: this.#nextId });
      this.#nextId = (this.#nextId + 1) % TRACKING_IDS;
    }
    report.push({ type: EV_ABS, code: ABS_MT_POSITION_X, value: left }, { type: EV_ABS, code: ABS_MT_POSITION_Y, value: top });
    if (isFirst) report.push({ type: EV_KEY, code: BTN_TOUCH, value: 1 });
    // Who knows of one finger only follows the first.
    if (this.#slots.findIndex((id) => id !== undefined) === slot)
      report.push({ type: EV_ABS, code: ABS_X, value: left }, { type: EV_ABS, code: ABS_Y, value: top });
    this.send([report]);
  }

  /** No finger is there any more. */
  release(): void {
    for (const [slot, id] of this.#slots.entries()) if (id !== undefined) this.#lift(slot);
  }

  #lift(slot: number): void {
    this.#slots[slot] = undefined;
    const report: Report = [
      { type: EV_ABS, code: ABS_MT_SLOT, value: slot },
      { type: EV_ABS, code: ABS_MT_TRACKING_ID, value: -1 },
    ];
    if (this.#slots.every((id) => id === undefined)) report.push({ type: EV_KEY, code: BTN_TOUCH, value: 0 });
    this.send([report]);
  }
}
