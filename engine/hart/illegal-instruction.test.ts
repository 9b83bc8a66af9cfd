import { describe, expect, it } from 'vitest';
import { explainIllegal, type IllegalContext } from './illegal-instruction';
import { extensionBits } from './isa/extensions';

const MACHINE_MODE: IllegalContext = { privilege: 3, floatIsOff: false, mcounteren: 0n, scounteren: 0n, extensionsOff: 0 };
const csrr = (csr: number): number => (csr << 20) | 0x2573;

describe('an illegal instruction, explained', () => {
  // Firmware reads them to see whether they are there, and says nothing about it; neither do we.
  it.each([
    ['sstc', 0x14d, 'stimecmp'],
    ['sdtrig', 0x7a0, 'tselect'],
  ] as const)('names the option that leaves %s out, as a probe', (extension, number, name) => {
    const { text, isProbe } = explainIllegal(csrr(number), 0x80010148n, { ...MACHINE_MODE, extensionsOff: extensionBits([extension]) });
    expect(text).toMatch(new RegExp(`${name} needs the extension ${extension}, which the option --extensions-off leaves out`, 'i'));
    expect(isProbe).toBe(true);
  });

  it('tells what keeps stimecmp from supervisor mode where the harts have it', () => {
    const { text, isProbe } = explainIllegal(csrr(0x14d), 0x80200000n, { ...MACHINE_MODE, privilege: 1 });
    expect(text).toContain('menvcfg.STCE or bit 1 of mcounteren is 0');
    expect(isProbe).toBe(false);
  });
});
