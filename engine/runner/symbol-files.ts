import { open } from 'node:fs/promises';
import { SymbolTable } from '../debug/symbols';
import { VmError } from '../errors/vm-error';
import type { ExecTrace } from '../hart/exec-tracer';
import { isElf } from '../images/elf';
import type { MachineConfig } from '../settings/settings';

/** The files of a machine that a debugger may read symbols from: what is an ELF file among kernel and firmware. */
export async function symbolFiles({ kernel, firmware }: Pick<MachineConfig, 'kernel' | 'firmware'>): Promise<string[]> {
  const files = [kernel, firmware].filter((file) => file !== undefined);
  const areElf = await Promise.all(files.map(beginsAsElf));
  return files.filter((_, i) => areElf[i]);
}

/** A file with symbols, and what is added to their addresses: where a position-independent program was loaded. */
export interface SymbolFile {
  file: string;
  base: bigint;
}

/**
 * What the trace `exec` has to know: names out of `symbols`, or of the machine's own files where there are none, and what `traceFrom`, a
 * hexadecimal address or a symbol, stands for. Throws VmError: 'Image' for files without symbols, 'Config' where there is no such symbol.
 */
export async function executionTrace(
  config: Pick<MachineConfig, 'kernel' | 'firmware'>,
  { symbols = [], traceFrom }: { symbols?: readonly SymbolFile[]; traceFrom?: string | undefined },
): Promise<ExecTrace> {
  const table = new SymbolTable();
  for (const { file, base } of symbols) await table.addFile(file, base);
  // A program may be stripped.
  if (symbols.length === 0) for (const file of await symbolFiles(config)) await table.addFile(file).catch(() => undefined);
  const { functions } = table;
  if (traceFrom === undefined) return { functions };
  const from = /^0x[0-9a-f]{1,16}$/i.test(traceFrom) ? BigInt(traceFrom) : table.addressOf(traceFrom);
  if (from !== undefined) return { from, functions };
  throw VmError.config(
    `There is no symbol "${traceFrom}" to trace from${functions.length === 0 ? ': no symbols are known, name a file that has some' : ''}. An address is written 0x….`,
    { code: 'trace-from-unknown', params: { symbol: traceFrom } },
  );
}

async function beginsAsElf(path: string): Promise<boolean> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
      return bytesRead === 4 && isElf(buffer);
    } finally {
      await file.close();
    }
  } catch {
    // A name of firmware that comes with Hartbox, or a file that has gone: there is nothing to read.
    return false;
  }
}
