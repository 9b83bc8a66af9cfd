import {
  EXTENSION_SDTRIG,
  EXTENSION_SSTC,
  EXTENSION_SVADU,
  EXTENSION_SVINVAL,
  EXTENSION_SVNAPOT,
  EXTENSION_SVPBMT,
  EXTENSION_ZAWRS,
  EXTENSION_ZBA,
  EXTENSION_ZBB,
  EXTENSION_ZBC,
  EXTENSION_ZBS,
  EXTENSION_ZICBOM,
  EXTENSION_ZICBOP,
  EXTENSION_ZICBOZ,
  EXTENSION_ZICOND,
  EXTENSION_ZIHINTNTL,
  EXTENSION_ZIHINTPAUSE,
} from '../extension-bits';

/** What a machine may do without, and the bit that says so. Of hints (`zicbop`, `zihint…`) nothing but the name goes. */
const OPTIONAL = {
  zicbom: EXTENSION_ZICBOM,
  zicbop: EXTENSION_ZICBOP,
  zicboz: EXTENSION_ZICBOZ,
  zicond: EXTENSION_ZICOND,
  zihintntl: EXTENSION_ZIHINTNTL,
  zihintpause: EXTENSION_ZIHINTPAUSE,
  zawrs: EXTENSION_ZAWRS,
  zba: EXTENSION_ZBA,
  zbb: EXTENSION_ZBB,
  zbc: EXTENSION_ZBC,
  zbs: EXTENSION_ZBS,
  sdtrig: EXTENSION_SDTRIG,
  sstc: EXTENSION_SSTC,
  svadu: EXTENSION_SVADU,
  svinval: EXTENSION_SVINVAL,
  svnapot: EXTENSION_SVNAPOT,
  svpbmt: EXTENSION_SVPBMT,
} as const;

export type OptionalExtension = keyof typeof OPTIONAL;
export const OPTIONAL_EXTENSIONS = Object.keys(OPTIONAL) as OptionalExtension[];

/** All that a hart can have, in canonical order (unprivileged ISA §33), as the device tree lists them. */
const KNOWN = [
  ...['i', 'm', 'a', 'f', 'd', 'c'],
  ...['zicbom', 'zicbop', 'zicboz', 'zicntr', 'zicond', 'zicsr', 'zifencei', 'zihintntl', 'zihintpause', 'zihpm'],
  ...['zawrs', 'zba', 'zbb', 'zbc', 'zbs'],
  ...['sdtrig', 'smaia', 'ssaia', 'sstc', 'svadu', 'svinval', 'svnapot', 'svpbmt'],
];

/** Of harts with IMSICs alone. */
const AIA = ['smaia', 'ssaia'];

/** The bit of an extension in MACHINE_EXTENSIONS_OFF; 0 for one that every hart has. */
export function extensionBit(name: string): number {
  return Object.hasOwn(OPTIONAL, name) ? OPTIONAL[name as OptionalExtension] : 0;
}

/** MACHINE_EXTENSIONS_OFF of a machine that does without these. */
export function extensionBits(off: readonly OptionalExtension[]): number {
  return off.reduce((bits, name) => bits | OPTIONAL[name], 0);
}

/** What the harts of a machine have. `off`: what they do without; `imsics`: whether they have IMSICs. */
export interface HartProfile {
  off: readonly OptionalExtension[];
  imsics: boolean;
}

export function isaExtensions({ off, imsics }: HartProfile): string[] {
  const without = new Set<string>([...off, ...(imsics ? [] : AIA)]);
  return KNOWN.filter((name) => !without.has(name));
}

/** The ISA string: `rv64imafdc_zicntr_…`. */
export function isaString(profile: HartProfile): string {
  const all = isaExtensions(profile);
  return `rv64${all.filter((x) => x.length === 1).join('')}_${all.filter((x) => x.length > 1).join('_')}`;
}
