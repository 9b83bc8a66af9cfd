import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatTable } from './table';

it('aligns columns, numbers to the right', () => {
  expect(
    formatTable(
      [
        ['NAME', 'SIZE'],
        ['a', '10'],
        ['箱', '9'],
      ],
      [1],
    ),
  ).toBe('NAME  SIZE\na       10\n箱       9\n');
});

it('keeps within a narrow terminal', () => {
  expect(formatTable([['a'.repeat(20), 'stopped']], [], { width: 20, flexible: [0] })).toBe('aaaaaaaaaa…  stopped\n');
  const rows = fc.array(fc.tuple(fc.string(), fc.string(), fc.string()), { minLength: 1 });
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 80 }), (cells, width) => {
      for (const line of formatTable(cells, [2], { width, flexible: [1, 0] }).split('\n')) expect(line.length).toBeLessThanOrEqual(width);
    }),
  );
});
