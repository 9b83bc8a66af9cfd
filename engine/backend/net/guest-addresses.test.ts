import { describe, expect, it } from 'vitest';
import { BROADCAST, MAC_A } from '../../../test/support/net-frames';
import { Random } from '../../../test/support/random';
import { GuestAddresses } from './guest-addresses';
import { plainFrame } from './packet-port';

const arp = (address: number[], operation = 1): Uint8Array =>
  Uint8Array.of(...BROADCAST, ...MAC_A, 8, 6, 0, 1, 8, 0, 6, 4, 0, operation, ...MAC_A, ...address, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1);
const ipv6 = (text: string): number[] => [...Buffer.from(text, 'hex')];
const GLOBAL = ipv6('20010db8000000000000000000000005');
const LOCAL = ipv6('fe80000000000000000000000000000a');
const discovery = (type: number, source: number[], target: number[]): Uint8Array =>
  Uint8Array.of(
    ...[...BROADCAST, ...MAC_A, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, 58, 255],
    ...[...source, ...GLOBAL, type, 0, 0, 0, 0, 0, 0, 0, ...target],
  );

describe('addresses of a guest', () => {
  const heardOf = (...frames: Uint8Array[]): string[] => {
    const addresses = new GuestAddresses();
    for (const frame of frames) addresses.look(plainFrame([frame.subarray(0, 17), frame.subarray(17)]));
    return addresses.list();
  };

  it('are those by which it asks and answers, the newest first', () => {
    expect(heardOf(arp([10, 0, 0, 5]), arp([10, 0, 0, 6], 2), arp([10, 0, 0, 5]), arp([10, 0, 0, 6]))).toEqual(['10.0.0.6', '10.0.0.5']);
    const nobody = new Array<number>(16).fill(0);
    expect(heardOf(discovery(135, nobody, GLOBAL))).toEqual(['2001:db8::5']);
    expect(heardOf(discovery(135, GLOBAL, LOCAL))).toEqual(['2001:db8::5']);
    expect(heardOf(discovery(136, LOCAL, GLOBAL), arp([10, 0, 0, 5]))).toEqual(['10.0.0.5', '2001:db8::5']);
  });

  it('are none that it only asks for, groups, or of its link alone', () => {
    expect(heardOf(arp([0, 0, 0, 0]), arp([224, 0, 0, 1]), arp([127, 0, 0, 1]))).toEqual([]);
    expect(heardOf(discovery(135, LOCAL, GLOBAL), discovery(136, GLOBAL, LOCAL), discovery(133, GLOBAL, GLOBAL))).toEqual([]);
  });

  it('are told once each, and bounded, whatever a guest sends', () => {
    const addresses = new GuestAddresses();
    let told = 0;
    addresses.onHeard = () => told++;
    for (let i = 0; i < 3; i++) addresses.look(plainFrame([arp([10, 0, 0, 5])]));
    expect(told).toBe(1);
    const random = new Random(1);
    for (let i = 0; i < 20_000; i++) {
      const frame = i % 2 === 0 ? arp([10, i & 255, i >> 8, 1]) : discovery(135 + (i % 2), GLOBAL, LOCAL);
      const cut = frame.slice(0, 14 + random.below(frame.length - 13));
      for (let n = random.below(4); n > 0; n--) cut[random.below(cut.length)] = random.below(256);
      addresses.look(plainFrame([cut]));
    }
    expect(addresses.list().length).toBeLessThanOrEqual(16);
  });
});
