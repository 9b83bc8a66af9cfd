import { lstat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { readText } from '../host/open-file';
import { hostFiles } from '../host/patient-files';

/**
 * The local socket of a box that runs: who may read its folder finds there, in control.json, where it listens and the token that comes first
 * on every connection.
 */
const controlFileSchema = z.object({ pid: z.number().int().positive(), address: z.string().min(1), token: z.string().min(32) });
export type ControlFile = z.output<typeof controlFileSchema>;

export function controlFile(folder: string): string {
  return join(folder, 'control.json');
}

/** Undefined where there is none, or none that can be used. */
export async function readControlFile(folder: string): Promise<ControlFile | undefined> {
  const text = await hostFiles.patiently(() => readText(controlFile(folder))).catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return controlFileSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Remove the control file of a process that died, and its socket. The caller holds the box's lock. */
export async function removeControlFile(folder: string): Promise<void> {
  const address = (await readControlFile(folder))?.address;
  // A folder that came from elsewhere may name anything: only what looks like one of our sockets goes.
  const isOurs =
    address !== undefined && /^[0-9a-f]{16}\.sock$/.test(basename(address)) && (await lstat(address).catch(() => undefined))?.isSocket();
  if (isOurs) await hostFiles.remove(address);
  await hostFiles.remove(controlFile(folder));
}
