import { describe, expect, it } from 'vitest';
import { type PaletteEntry, isPaletteKey, searchEntries } from './palette-search';

const entry = (label: string, kind = 'Page', also?: string): PaletteEntry => ({ id: label, kind, label, also, run: () => undefined });
const entries = [
  entry('Start Debian', 'Box'),
  entry('Memory', 'Setting'),
  entry('Disk and memory'),
  entry('Straßenname Café'),
  entry('Doctor'),
];

describe('searchEntries', () => {
  it.each([
    ['', ['Start Debian', 'Memory', 'Disk and memory', 'Straßenname Café', 'Doctor']],
    ['mem', ['Memory', 'Disk and memory']],
    ['d', ['Doctor', 'Disk and memory', 'Start Debian']],
    ['deb st', ['Start Debian']],
    ['cafe', ['Straßenname Café']],
    ['setting', ['Memory']],
    ['nothing', []],
  ])('"%s"', (query, found) => {
    const labels = searchEntries(entries, query).map(({ label }) => label);
    if (query === 'd') expect(labels.slice(0, 2).sort()).toEqual(['Disk and memory', 'Doctor']);
    else expect(labels).toEqual(found);
  });

  it('shows no more than one can look through', () => {
    const many = Array.from({ length: 5000 }, (_, i) => entry(`Open Box ${i}`));
    expect(searchEntries(many, 'box').length).toBe(50);
  });
});

describe('isPaletteKey', () => {
  const key = (code: string, ...held: ('ctrlKey' | 'shiftKey' | 'altKey' | 'metaKey')[]) => ({
    code,
    ctrlKey: false,
    shiftKey: false,
    altKey: false,
    metaKey: false,
    ...Object.fromEntries(held.map((name) => [name, true])),
  });
  it.each([
    [key('KeyK', 'ctrlKey'), false, false, true],
    [key('KeyK', 'ctrlKey'), false, true, false],
    [key('KeyP', 'ctrlKey', 'shiftKey'), false, true, true],
    [key('KeyP', 'ctrlKey'), false, false, false],
    [key('F1'), false, false, true],
    [key('F1'), false, true, false],
    [key('KeyK', 'metaKey'), true, true, true],
    [key('KeyK', 'ctrlKey'), true, false, false],
    [key('KeyP', 'ctrlKey', 'shiftKey', 'altKey'), false, false, false],
  ])('%o, on macOS %s, in a guest %s: %s', (pressed, isMac, isGuests, opens) => {
    expect(isPaletteKey(pressed, isMac, isGuests)).toBe(opens);
  });
});
