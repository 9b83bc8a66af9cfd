import { expect, it } from 'vitest';
import { formatRows, median, type Row, ratio } from './measurement';

it('takes the median of odd and even numbers of values', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

it('shows medians, ratios above 1 where Hartbox is faster, and their geometric mean', () => {
  const rows: Row[] = [
    { suite: 'cpu', name: 'one', unit: 's', qemu: [2, 2.2, 1.8], hartbox: [1] },
    { suite: 'cpu', name: 'other', unit: 's', qemu: [1], hartbox: [2] },
    { suite: 'boot', name: 'idle', unit: '% of a core', qemu: [1], hartbox: [] },
  ];
  expect(rows.map(ratio)).toEqual([2, 0.5, undefined]);
  expect(formatRows(rows)).toBe(
    [
      'suite  what            unit          QEMU  Hartbox  ratio',
      'cpu    one             s            2.000    1.000   2.00',
      'cpu    other           s            1.000    2.000   0.50',
      'boot   idle            % of a core    1.0        -      -',
      'cpu    geometric mean                                1.00',
      '',
    ].join('\n'),
  );
});
