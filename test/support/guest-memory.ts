import { GuestMemory } from '../../engine/memory/guest-memory';
import { HARTS_BASE } from '../../engine/memory/layout';
import type { MemoryPlan } from '../../engine/memory/memory-plan';

export const TEST_RAM_BASE = 0x8000_0000;
export const TEST_ROM_BASE = 0x1000;
const ROM_SIZE = 4096;

/** A small guest memory without harts: RAM at 0x8000_0000 (4 MiB unless given, whole 64 KiB) and 4 KiB of ROM at 0x1000. */
export function testGuestMemory(ramBytes = 4 << 20): GuestMemory {
  const pageVersions = HARTS_BASE;
  const rom = HARTS_BASE + 65536;
  const ram = rom + 65536;
  const wasmPages = (ram + ramBytes) / 65536;
  const plan: MemoryPlan = {
    harts: 1,
    decoded: HARTS_BASE,
    decodedStride: 0,
    pageVersions,
    regions: [
      { base: TEST_RAM_BASE, size: ramBytes, offset: ram, readonly: false, device: false },
      { base: TEST_ROM_BASE, size: ROM_SIZE, offset: rom, readonly: true, device: false },
    ],
    wasmPages,
  };
  return new GuestMemory(new WebAssembly.Memory({ initial: wasmPages, maximum: wasmPages, shared: true }), plan);
}
