import { GuestProfile, SymbolTable, type VirtualMachine } from '../index';
import type { MachineOptions } from './machine-options';
import { ReportFile } from './report-file';

export interface ProfileFile {
  path: string;
  file: ReportFile;
  profile: GuestProfile;
}

/** What --profile and --symbols ask for; undefined without --profile. Throws before a machine runs in vain. */
export async function prepareProfile({ profile: path, symbols, config }: MachineOptions): Promise<ProfileFile | undefined> {
  if (path === undefined) return undefined;
  const file = await ReportFile.named('--profile', path);
  const table = new SymbolTable();
  for (const one of symbols) await table.addFile(one.file, one.base);
  // A program that is booted brings its own; a Linux image does not.
  if (config.kernel !== undefined && symbols.length === 0) await table.addFile(config.kernel).catch(() => undefined);
  return { path, file, profile: new GuestProfile(table) };
}

/** Write the profile when the machine has ended. */
export function writeProfile(machine: VirtualMachine, { path, file, profile }: ProfileFile, tell: (message: string) => void): void {
  machine.on('samples', (hart, samples) => profile.add(hart, samples));
  machine.on('exit', () => {
    file.write(JSON.stringify(profile.toCpuProfile()), (why) => tell(`warning: The profile could not be written to ${path}: ${why}.`));
  });
}
