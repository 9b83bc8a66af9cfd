import { describe, expect, it } from 'vitest';
import { hasAtomics, hostMemory } from './host-memory';

// As the kernels of a Raspberry Pi 4 and 5 say it.
const A72 = 'processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU part\t: 0xd08\n\n';
const A76 = 'processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp\n\n';

describe("the host's memory", () => {
  it('has ARMv8.1 atomic instructions only where every processor has them', () => {
    expect(hasAtomics(A76 + A76)).toBe(true);
    expect(hasAtomics(A72)).toBe(false);
    expect(hasAtomics(A76 + A72)).toBe(false);
    expect(hasAtomics(A72.replace('evtstrm', 'noatomics'))).toBe(false);
    expect(hasAtomics('')).toBe(false);
  });

  it('keeps all orders but stores before loads on x86, and is trusted with none elsewhere', () => {
    expect(hostMemory().reorders).toBe(process.arch === 'x64' || process.arch === 'ia32' ? 'stores after loads' : 'anything');
  });
});
