import type { Rectangle } from 'electron';
import type { WindowPlace } from './preferences';

/** As much of a window's upper edge as one needs to see to take hold of it. */
const HANDLE = { width: 160, height: 32 };

/**
 * Where to open a window that was at `place` when it was last closed: there, if it can be reached on a display that is there now, no larger
 * than that; else of the same size where the system puts it.
 */
export function reachablePlace(place: WindowPlace, workAreas: readonly Rectangle[]): Partial<Rectangle> {
  const { x, y, width, height } = place;
  if (x !== undefined && y !== undefined) {
    const area = workAreas.find((candidate) => {
      const visible = Math.min(x + width, candidate.x + candidate.width) - Math.max(x, candidate.x);
      return visible >= HANDLE.width && y >= candidate.y && y + HANDLE.height <= candidate.y + candidate.height;
    });
    if (area) return { x, y, width: Math.min(width, area.width), height: Math.min(height, area.height) };
  }
  const largest = workAreas.reduce(
    (size, area) => ({ width: Math.max(size.width, area.width), height: Math.max(size.height, area.height) }),
    {
      width: 0,
      height: 0,
    },
  );
  return { width: Math.min(width, largest.width || width), height: Math.min(height, largest.height || height) };
}
