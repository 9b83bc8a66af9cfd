import { expect, it } from 'vitest';
import { formatRows, median, type Row, ratio } from './measurement';

it('takes the median of odd and even numbers of values', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

it('shows medians, ratios above 1 where Hartbox is better, and their geometric means', () => {
  const row = (name: string, kind: Row['kind'], unit: Row['unit'], values: [string, number[]][]): Row => ({
    suite: 'cpu',
    name,
    kind,
    unit,
    values: new Map(values),
  });
  const rows: Row[] = [
    row('one', 'integer', 's', [
      ['QEMU', [2, 2.2, 1.8]],
      ['Hartbox', [1]],
      ['Node 24', [4]],
    ]),
    row('other', 'integer', 'MB/s', [
      ['QEMU', [10]],
      ['Hartbox', [40]],
    ]),
    row('third', 'float', 's', [
      ['QEMU', [1]],
      ['Hartbox', [8]],
    ]),
    { ...row('idle', 'idle', '% of a core', [['QEMU', [1]]]), suite: 'boot' },
  ];
  expect(rows.map((one) => ratio(one, 'Hartbox', 'QEMU'))).toEqual([2, 4, 0.125, undefined]);
  expect(formatRows(rows, ['QEMU', 'Hartbox', 'Node 24'])).toBe(
    [
      'suite  what            kind     unit          QEMU  Hartbox  ratio  Node 24  ratio',
      'cpu    one             integer  s            2.000    1.000   2.00    4.000   0.50',
      'cpu    other           integer  MB/s          10.0     40.0   4.00        -      -',
      'cpu    third           float    s            1.000    8.000   0.13        -      -',
      'boot   idle            idle     % of a core    1.0        -      -        -      -',
      'cpu    geometric mean  integer                                2.83               -',
      'cpu    geometric mean  all                                    1.00               -',
      '',
    ].join('\n'),
  );
});
