import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildElf } from '../../support/elf-builder';
import type { TestHome } from './hartbox-app';

const RAM = 0x8000_0000;
const WFI = 0x10500073;
/** Back to the instruction before. */
const JUMP_BACK = 0xffdff06f;

/** Settings of a box whose guest does nothing but wait, so that many can run at once. */
export async function restingGuest(home: TestHome): Promise<{ source: 'elf'; kernel: string; memory: number }> {
  const kernel = join(home.path, 'resting.elf');
  await writeFile(kernel, buildElf({ entry: RAM, parts: [{ address: RAM, bytes: Buffer.from(Uint32Array.of(WFI, JUMP_BACK).buffer) }] }));
  return { source: 'elf', kernel, memory: 16 << 20 };
}
