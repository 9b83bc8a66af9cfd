import { expect, it } from 'vitest';
import { burstsOf, strokesFor } from './screen';

/** What Linux keeps of a keyboard for a program that does not read (EVDEV_MIN_BUFFER_SIZE); when it is full, all is lost. */
const KEPT = 64;

it.each(['a'.repeat(64), 'A'.repeat(64), "uname -a; cat /etc/debian_version; echo 'Hello, World!'\n"])(
  'types %j so that a program may be late by two bursts and loses nothing',
  (text) => {
    const strokes = [...text].map(strokesFor);
    const bursts = burstsOf(strokes);
    expect(bursts.flat()).toEqual(strokes.flat());
    const events = bursts.map((burst) => burst.reduce((sum, report) => sum + report.length + 1, 0));
    for (let at = 0; at + 2 < events.length; at++) expect(events[at] + events[at + 1] + events[at + 2]).toBeLessThan(KEPT);
    // As few as may be, for who waits.
    expect(bursts.length).toBeLessThanOrEqual(text.length / 2);
  },
);

it('types nothing where there is nothing', () => {
  expect(burstsOf([])).toEqual([]);
});
