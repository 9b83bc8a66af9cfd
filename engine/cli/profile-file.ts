import { accessSync, constants, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { GuestProfile, SymbolTable, type VirtualMachine } from '../index';
import type { MachineOptions } from './machine-options';
import { UsageError } from './usage-error';

interface ProfileFile {
  path: string;
  profile: GuestProfile;
}

/** What --profile and --symbols ask for; undefined without --profile. Throws before a machine runs in vain. */
export async function prepareProfile({ profile: path, symbols, config }: MachineOptions): Promise<ProfileFile | undefined> {
  if (path === undefined) return undefined;
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch {
    throw new UsageError(`--profile cannot write to ${path}: its folder does not exist or may not be written to.`);
  }
  const table = new SymbolTable();
  for (const { file, base } of symbols) await table.addFile(file, base);
  // A program that is booted brings its own; a Linux image does not.
  if (config.kernel !== undefined && symbols.length === 0) await table.addFile(config.kernel).catch(() => undefined);
  return { path, profile: new GuestProfile(table) };
}

/** Write the profile when the machine has ended. */
export function writeProfile(machine: VirtualMachine, { path, profile }: ProfileFile, tell: (message: string) => void): void {
  machine.on('samples', (hart, samples) => profile.add(hart, samples));
  machine.on('exit', () => {
    try {
      writeFileSync(path, JSON.stringify(profile.toCpuProfile()));
    } catch (cause) {
      tell(`warning: The profile could not be written to ${path}: ${(cause as Error).message}.`);
    }
  });
}
