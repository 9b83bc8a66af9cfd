import { Binary, Cpu, Disc3, HardDrive, Package, SquareTerminal } from '@lucide/vue';
import type { Component } from 'vue';
import type { FileKind } from '../main/box-contract';
import type { Values } from './form/box-form';

/** What a new box can be started with, as people think of it; the settings say it in `source`, `kernel` and `drives`. */
export const STARTS = ['linux', 'system', 'disk', 'iso', 'kernel', 'elf'] as const;
export type Start = (typeof STARTS)[number];

export const startIcons: Record<Start, Component> = {
  linux: SquareTerminal,
  system: Package,
  disk: HardDrive,
  iso: Disc3,
  kernel: Cpu,
  elf: Binary,
};

/** Whether the file that it starts from is a drive: the first of the box. */
export function startsFromDrive(start: Start): boolean {
  return start === 'disk' || start === 'iso';
}

/** What to start when a file of this kind is given; undefined: nothing can be started from it. */
export function startFor(kind: FileKind): Start | undefined {
  return kind === 'unknown' || kind === 'unsupported' ? undefined : kind;
}

/** The values of the box: those of the form, and what follows from the choice. What belongs to other choices is left out. */
export function startValues(start: Start, file: string | undefined, draft: Values): Values {
  const { kernel, initrd, append, ...others } = draft;
  const drives = Array.isArray(draft['drives']) ? (draft['drives'] as unknown[]) : [];
  switch (start) {
    case 'linux':
      return { ...others, append, source: 'linux' };
    case 'system':
      return { ...others, source: 'disk' };
    case 'disk':
      return { ...others, source: 'disk', drives: [{ file }, ...drives] };
    case 'iso':
      return { ...others, source: 'disk', drives: [{ file, media: 'cdrom' }, ...drives] };
    case 'kernel':
      return { ...others, append, initrd, kernel, source: 'kernel' };
    case 'elf':
      return { ...others, kernel, source: 'elf' };
  }
}

/** A name for the box, by what it starts: that of its file, or of the choice; numbered where it is taken. */
export function suggestName(file: string | undefined, otherwise: string, taken: readonly string[]): string {
  const base = file
    ?.split(/[\\/]/)
    .pop()
    ?.replace(/(?<=.)\.(iso|qcow2|img|raw|elf|bin|gz|zst)$/i, '')
    .slice(0, 60)
    .trim();
  const name = base || otherwise;
  const used = new Set(taken.map((one) => one.toLowerCase()));
  for (let n = 1; ; n++) {
    const candidate = n === 1 ? name : `${name} ${n}`;
    if (!used.has(candidate.toLowerCase())) return candidate;
  }
}
