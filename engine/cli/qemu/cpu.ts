import { type MachineConfigInput, optionOf } from '../../settings/settings';
import { Properties } from './properties';
import type { QemuError } from './qemu-error';
import type { Wanted } from './wanted';

type OptionalExtension = NonNullable<MachineConfigInput['extensionsOff']>[number];
const OPTIONAL_EXTENSIONS = Object.keys(optionOf('extensionsOff')?.choices ?? {}) as OptionalExtension[];

/** Models whose harts are like ours, and what of it they do without. */
const MODELS: Readonly<Record<string, { off: readonly OptionalExtension[]; what: string }>> = {
  rv64: { off: [], what: 'what there is' },
  any: { off: [], what: 'what there is' },
  max: { off: [], what: 'what there is' },
  'sifive-u54': { off: OPTIONAL_EXTENSIONS.filter((name) => name !== 'svadu' && name !== 'sdtrig'), what: 'RV64GC and no more' },
  'thead-c906': { off: [], what: 'RV64GC; the extensions of T-Head are not there' },
  rva22u64: { off: [], what: 'what there is, of which RVA22 is a part but for Zfhmin and Zkt' },
  rva22s64: { off: [], what: 'what there is, of which RVA22 is a part but for Zfhmin and Zkt' },
};
export const CPU_MODELS: readonly (readonly [name: string, what: string])[] = Object.entries(MODELS).map(([name, { what }]) => [
  name,
  what,
]);

/** Extensions of one letter, and others that harts have for good or not at all; `true`: they have it. */
const LETTERS: Readonly<Record<string, boolean>> = {
  ...{ i: true, m: true, a: true, f: true, d: true, c: true, g: true, s: true, u: true },
  ...{ zicntr: true, zicsr: true, zifencei: true, zihpm: true, smaia: true, ssaia: true },
  ...{ e: false, h: false, v: false, j: false, b: false, mmu: true, pmp: true, sv39: true, sv48: true, sv57: false, sscofpmf: false },
};
/** What programs that do without do not miss where it is there. */
const UNSEEN = ['mmu', 'pmp', 'sv48', 'h', 'v'];
/** Settings of extensions: versions, and sizes of what is not there. */
const VERSIONS = [
  'priv_spec',
  'bext_spec',
  'vext_spec',
  'vlen',
  'elen',
  'pmu-num',
  'pmu-mask',
  'unified-mem',
  'short-isa-string',
  'rnum',
  'hartid',
  'start-powered-off',
];
const BLOCK_BYTES = 64;

type Cpu = Pick<MachineConfigInput, 'extensionsOff'>;

/** What `-cpu` means. An extension that is switched on must be there; one that is switched off goes, if harts can do without. Throws QemuError. */
export function translateCpu(wanted: Wanted): Cpu {
  const { cpu: text } = wanted;
  if (text === undefined) return {};
  const cpu = Properties.of('-cpu', text, 'model');
  const model = cpu.take('model') ?? '';
  if (!Object.hasOwn(MODELS, model)) throw unknownModel(cpu, model);
  if (model !== 'rv64') wanted.note(`-cpu ${model}`, `harts have ${MODELS[model].what}`);
  const off = new Set<OptionalExtension>(MODELS[model].off);
  for (const name of cpu.ignore(...VERSIONS)) wanted.note(cpu.where, `${name} makes no difference here`);
  for (const name of ['cbom_blocksize', 'cbop_blocksize', 'cboz_blocksize']) {
    if ((cpu.takeNumber(name) ?? BLOCK_BYTES) !== BLOCK_BYTES)
      throw cpu.wrong(`blocks of the cache have ${BLOCK_BYTES} bytes: leave ${name} out`);
  }
  for (const { name: given } of cpu.rest) {
    // QEMU once wrote some with a capital.
    const name = given.toLowerCase().replace(/^x-/, '');
    const isOn = cpu.takeSwitch(given) ?? true;
    if (isOptional(name)) {
      if (isOn) off.delete(name);
      else off.add(name);
    } else if (isOn !== hasAlways(cpu, given, name)) {
      if (isOn) throw cpu.wrong(`harts have no ${name} here: leave it out, and build the program without it`);
      if (!UNSEEN.includes(name)) throw cpu.wrong(`harts always have ${name} here: leave it out`);
      wanted.note(cpu.where, `harts have ${name} all the same; programs that do without do not see it`);
    }
  }
  return { extensionsOff: [...off] };
}

function isOptional(name: string): name is OptionalExtension {
  return OPTIONAL_EXTENSIONS.some((one) => one === name);
}

/** Whether all harts have it. Throws for what is no extension at all. */
function hasAlways(cpu: Properties, given: string, name: string): boolean {
  if (Object.hasOwn(LETTERS, name)) return LETTERS[name];
  if (!/^(z|s|x)[a-z0-9_-]+$/.test(name)) throw cpu.wrong(`Property 'rv64-riscv-cpu.${given}' not found`);
  return false;
}

function unknownModel(cpu: Properties, model: string): QemuError {
  const isNarrow = /32|e31|e34|u34|ibex|rv128|e51|x-/.test(model);
  return cpu.wrong(
    isNarrow
      ? `harts are RV64GC here; there is no '${model}': build for rv64`
      : `unable to find CPU model '${model}'; there are ${Object.keys(MODELS).join(', ')}`,
  );
}
