import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { kernelSymbols } from '../debug/kernel-symbols';
import { GuestProfile, hotSpots } from '../debug/profile';
import { SymbolTable } from '../debug/symbols';
import { VmError } from '../errors/vm-error';
import { writeOutput } from '../host/output-file';
import type { Samples } from '../hart/sampler';
import type { VirtualMachine } from '../machine/virtual-machine';
import type { Arguments, Result } from './control';
import { symbolFiles } from './symbol-files';

const MOST_SPOTS = 40;
/** How much memory is looked at for a kernel's tables at once; and the overlap, which holds all of a kernel's. Bytes. */
const PIECE = 64 << 20;
const OVERLAP = 16 << 20;
/** Kernels lie near the beginning. */
const SEARCHED = 1 << 30;

/** Looks for a while where a machine that runs spends its time. */
export class Profiling {
  private isOn = false;

  /** Throws VmError: 'State' while another one looks, 'Image' for a file without symbols, 'Resource' where the profile cannot be written. */
  async take(machine: VirtualMachine, { seconds, symbols = [], file }: Arguments<'profile'>): Promise<Result<'profile'>> {
    if (this.isOn) throw new VmError('State', 'The box is being profiled already. Wait until that is done.', { code: 'profile-under-way' });
    this.isOn = true;
    const bundles: [number, Samples][] = [];
    const note = (hart: number, samples: Samples): void => void bundles.push([hart, samples]);
    const over = new AbortController();
    const end = (): void => over.abort();
    try {
      const table = new SymbolTable();
      for (const one of symbols) await table.addFile(one);
      // A program may be stripped.
      if (symbols.length === 0) for (const one of await symbolFiles(machine.config)) await table.addFile(one).catch(() => undefined);
      machine.on('samples', note);
      machine.once('exit', end);
      machine.setProfiling(true);
      // What it did until its end is worth to be told too.
      await delay(seconds * 1000, undefined, { signal: over.signal }).catch(() => undefined);
      if (!over.signal.aborted) machine.setProfiling(false);
      // Now: the guest may have loaded another kernel meanwhile.
      table.add(await searchKernel(machine));
      const profile = new GuestProfile(table);
      for (const [hart, samples] of bundles) profile.add(hart, samples);
      const found = profile.toCpuProfile();
      if (file !== undefined) await writeOutput(file, JSON.stringify(found));
      const { spots, ...rest } = hotSpots(found, MOST_SPOTS);
      return bundles.length === 0 ? { seconds, idle: 1, spots: [] } : { ...rest, spots };
    } finally {
      machine.off('samples', note);
      machine.off('exit', end);
      this.isOn = false;
    }
  }
}

/** The functions of the guest's kernel, if it is a Linux that has them in its memory. */
async function searchKernel({ memory, memoryMap }: VirtualMachine): Promise<ReturnType<typeof kernelSymbols> & object> {
  const ram = memoryMap.find(({ kind }) => kind === 'ram');
  if (!ram) return [];
  const end = Math.min(ram.size, SEARCHED);
  for (let at = 0; at < end; at += PIECE) {
    const found = kernelSymbols(memory.view(ram.base + at, Math.min(PIECE + OVERLAP, end - at)));
    if (found) return found;
    await turn();
  }
  return [];
}
