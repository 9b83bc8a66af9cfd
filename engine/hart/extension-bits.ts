/**
 * Extensions that a machine may do without: the bits of MACHINE_EXTENSIONS_OFF (memory/layout.ts). Plain integer constants:
 * AssemblyScript compiles this file too. isa/extensions.ts has their names.
 */

export const EXTENSION_ZBA = 1;
export const EXTENSION_ZBB = 2;
export const EXTENSION_ZBC = 4;
export const EXTENSION_ZBS = 8;
export const EXTENSION_ZICOND = 16;
export const EXTENSION_ZICBOM = 32;
export const EXTENSION_ZICBOP = 64;
export const EXTENSION_ZICBOZ = 128;
export const EXTENSION_ZAWRS = 256;
export const EXTENSION_ZIHINTPAUSE = 512;
export const EXTENSION_ZIHINTNTL = 1024;
export const EXTENSION_SSTC = 2048;
export const EXTENSION_SVADU = 4096;
export const EXTENSION_SVINVAL = 8192;
export const EXTENSION_SVNAPOT = 16384;
export const EXTENSION_SVPBMT = 32768;
export const EXTENSION_SDTRIG = 65536;

/** Bytes of a cache block, which the instructions of Zicbom, Zicbop and Zicboz work on; log2 of them. */
export const CACHE_BLOCK_BYTES = 64;
export const CACHE_BLOCK_SHIFT = 6;
