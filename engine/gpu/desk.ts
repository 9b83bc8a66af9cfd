import type { Scanout } from './scanout';

// Of Linux's input-event-codes.h.
const EV_ABS = 3;
const [ACROSS, DOWN] = [new Set([0x00, 0x35]), new Set([0x01, 0x36])];
/** As far as the axes of tablet and touch screen go. */
const END = 32767;

interface PointingEvent {
  type: number;
  code: number;
  value: number;
}

/**
 * What a tablet or a touch screen says of a place on one of several screens, said of the desktop that guests make of all of them. Where X draws all
 * into one picture it is known which part of that a screen shows; else they lie side by side, as the device tells the guest that they do.
 */
export function onDesk<E extends PointingEvent>(scanouts: readonly Scanout[], screen: number, events: readonly E[]): readonly E[] {
  const place = placeOf(scanouts, screen);
  if (!place) return events;
  const { x, y, width, height, whole } = place;
  const along = (value: number, from: number, length: number, of: number): number =>
    Math.round((END * (from + (value / END) * Math.max(length - 1, 0))) / Math.max(of - 1, 1));
  return events.map((event) => {
    if (event.type !== EV_ABS) return event;
    if (ACROSS.has(event.code)) return { ...event, value: along(event.value, x, width, whole.width) };
    if (DOWN.has(event.code)) return { ...event, value: along(event.value, y, height, whole.height) };
    return event;
  });
}

/** Undefined where what a screen shows is all that there is. */
function placeOf(scanouts: readonly Scanout[], screen: number) {
  const lit = scanouts.flatMap((scanout) => (scanout.size ? [{ scanout, ...scanout.size }] : []));
  const at = lit.findIndex(({ scanout }) => scanout === scanouts[screen]);
  if (at < 0 || lit.length < 2) return undefined;
  const { width, height, scanout } = lit[at];
  const { within } = scanout;
  if (within && lit.every((one) => one.scanout.within?.of === within.of)) return { x: within.x, y: within.y, width, height, whole: within };
  const x = lit.slice(0, at).reduce((sum, one) => sum + one.width, 0);
  const whole = { width: lit.reduce((sum, one) => sum + one.width, 0), height: Math.max(...lit.map((one) => one.height)) };
  return { x, y: 0, width, height, whole };
}
