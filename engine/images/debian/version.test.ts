import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareVersions, satisfies } from './version';

const hasDpkg = spawnSync('dpkg', ['--version']).error === undefined;
const part = fc.stringMatching(/^[0-9][0-9a-z.+~]{0,8}$/);
const version = fc
  .tuple(fc.option(fc.nat(3), { nil: undefined }), part, fc.option(fc.stringMatching(/^[0-9a-z.+~]{1,5}$/), { nil: undefined }))
  .map(
    ([epoch, upstream, revision]) => `${epoch === undefined ? '' : `${epoch}:`}${upstream}${revision === undefined ? '' : `-${revision}`}`,
  );

describe('versions of packages', () => {
  it.each([
    ['1.0~rc1', '<', '1.0'],
    ['1.0', '<', '1.0+b1'],
    ['1.9', '<', '1.10'],
    ['2:0.1', '>', '1:9'],
    ['1.0-1', '<', '1.0-1.1'],
    ['1.00', '=', '1.0'],
    ['1.0a', '<', '1.0+'],
    [`1.${'9'.repeat(40)}`, '<', `1.1${'0'.repeat(40)}`],
  ])('%s %s %s', (a, order, b) => {
    expect(Math.sign(compareVersions(a, b))).toBe(order === '<' ? -1 : order === '>' ? 1 : 0);
  });

  it.runIf(hasDpkg)('compare as dpkg says', () => {
    fc.assert(
      fc.property(version, version, (a, b) => {
        for (const [operator, word] of [
          ['<<', 'lt'],
          ['<=', 'le'],
          ['=', 'eq'],
          ['>=', 'ge'],
          ['>>', 'gt'],
        ])
          expect(`${operator} ${satisfies(a, operator, b)}`).toBe(
            `${operator} ${spawnSync('dpkg', ['--compare-versions', a, word, b]).status === 0}`,
          );
      }),
      { numRuns: 40 },
    );
  });
});
