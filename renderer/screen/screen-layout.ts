import type { ScreenLook } from '../../main/contract';

export interface Sides {
  width: number;
  height: number;
}

/** Where a picture is shown: all in CSS pixels, so that its own pixels lie on those of the screen where they can. */
export interface ScreenLayout extends Sides {
  left: number;
  top: number;
  /** Pixels of the computer's screen for one of the guest's. */
  zoom: number;
}

/** A picture that is smaller than its place by no more than this is not enlarged: rounding is why, and it would be blurred. */
const NEARLY = 1.02;

/** Lay a picture out in a place; `ratio`: pixels of the computer's screen in a CSS pixel. */
export function layOut(picture: Sides, place: Sides, ratio: number, scale: ScreenLook['scale']): ScreenLayout {
  const room = { width: Math.floor(place.width * ratio), height: Math.floor(place.height * ratio) };
  const zoom = zoomFor(picture, room, scale);
  const middle = (side: keyof Sides): number => Math.max(0, Math.floor((room[side] - picture[side] * zoom) / 2)) / ratio;
  return {
    left: middle('width'),
    top: middle('height'),
    width: (picture.width * zoom) / ratio,
    height: (picture.height * zoom) / ratio,
    zoom,
  };
}

function zoomFor(picture: Sides, room: Sides, scale: ScreenLook['scale']): number {
  if (scale === 'native') return 1;
  const most = Math.min(room.width / picture.width, room.height / picture.height);
  if (most >= 1 && most < NEARLY) return 1;
  return scale === 'whole' && most >= 1 ? Math.floor(most) : most;
}

/** How many pixels a guest that follows the window is asked for: even numbers of them, with whole multiples as many as make letters as large as others. */
export function sizeFor(place: Sides, ratio: number, scale: ScreenLook['scale']): Sides & { density: number } {
  const multiple = scale === 'whole' ? Math.max(1, Math.round(ratio)) : 1;
  const side = (length: number): number => 2 * Math.floor((length * ratio) / multiple / 2);
  return { width: side(place.width), height: side(place.height), density: Math.round((96 * ratio) / multiple) };
}
