import { z } from 'zod';
import { appSchema } from './app';
import { bootSchema, firmwareFor, impliedSource } from './boot';
import { hardwareSchema } from './hardware';
import { hostSchema } from './host';
import { type Option, optionsOf } from './option';

/** The parts of a box's settings. No key stands in two of them, so that a key alone names an option. */
export const PARTS = { hardware: hardwareSchema, boot: bootSchema, host: hostSchema, app: appSchema } as const;
export type Part = keyof typeof PARTS;
export const PART_NAMES = Object.keys(PARTS) as Part[];

/** All options of a box, in the order in which they are shown. */
export const OPTIONS: readonly (Option & { part: Part })[] = PART_NAMES.flatMap((part) =>
  optionsOf(PARTS[part]).map((option) => ({ ...option, part })),
);
const byKey = new Map(OPTIONS.map((option) => [option.key, option]));

const TURNING_ON = OPTIONS.flatMap((option) => (option.turnsOn === undefined ? [] : [{ ...option, turnsOn: option.turnsOn }]));

/** The option of that key; undefined if there is none. */
export function optionOf(key: string): (typeof OPTIONS)[number] | undefined {
  return byKey.get(key);
}

/** All values of a box by key, whatever their part; that each is right by itself, not whether they go together. */
export const flatSchema = z.strictObject({ ...hardwareSchema.shape, ...bootSchema.shape, ...hostSchema.shape, ...appSchema.shape });
export type BoxValues = z.output<typeof flatSchema>;
export type BoxValuesInput = z.input<typeof flatSchema>;

/** Values that are right each by itself, but not together. */
function checkTogether(values: z.output<typeof machineShape>, context: z.RefinementCtx): void {
  const { source, kernel, kernelAddress, initrd, load, flashCode } = values;
  const firmware = firmwareFor(values);
  const report = (path: string, rule: string, message: string): void => {
    context.addIssue({ code: 'custom', path: [path], message, params: { rule } });
  };
  if ((source === 'kernel' || source === 'elf') && kernel === undefined && load.length === 0 && flashCode === undefined)
    report('kernel', 'kernel-missing', `is needed to start from ${source === 'kernel' ? 'a kernel' : 'a program'}: name its file`);
  if ((source === 'linux' || source === 'disk') && kernel !== undefined)
    report('kernel', 'kernel-unused', `is of no use when the box starts from ${source}: set source to kernel or elf, or leave it out`);
  if ((source === 'linux' || source === 'disk') && kernelAddress !== undefined)
    report(
      'kernelAddress',
      'kernel-unused',
      `is of no use when the box starts from ${source}: set source to kernel or elf, or leave it out`,
    );
  if (source === 'disk' && initrd !== undefined)
    report('initrd', 'initrd-without-kernel', 'needs a kernel to go with: name the kernel, or leave it out');
  if (source === 'disk' && (firmware === 'opensbi' || firmware === 'none') && flashCode === undefined)
    report(
      'firmware',
      'firmware-no-disks',
      `cannot be ${firmware} when the box starts from a disk: that takes uboot or edk2, or a flashCode`,
    );
  if (source === 'linux' && (firmware === 'uboot' || firmware === 'edk2'))
    report(
      'firmware',
      'firmware-not-linux',
      `cannot be ${firmware} for the built-in Linux, which OpenSBI starts: set it to auto, or start from a disk`,
    );
  if (source === 'elf' && firmware !== 'none')
    report('firmware', 'firmware-not-elf', 'must be none or auto for a program that runs in machine mode by itself');
  if (values.graphics === 'ramfb' && values.screens > 1)
    report('graphics', 'ramfb-one-screen', 'cannot be ramfb with more than one screen: set screens to 1, or graphics to virtio');
  const ids = values.drives.map((drive) => drive.id).filter((id) => id !== undefined);
  const twice = ids.find((id, at) => ids.indexOf(id) !== at);
  if (twice !== undefined) report('drives', 'drive-id-twice', `has two drives named ${twice}: give one of them another id`);
}

const machineShape = z.strictObject({ ...hardwareSchema.shape, ...bootSchema.shape, ...hostSchema.shape, name: appSchema.shape.name });

/**
 * Values of options that are not given, where those are not the usual ones. Who names what a device works with wants the device; and programs in
 * machine mode find what they find on QEMU, where there is no network.
 */
export function impliedValues(values: Readonly<Record<string, unknown>>): BoxValuesInput {
  const implied: Record<string, unknown> = impliedSource(values) === 'elf' ? { network: [] } : {};
  for (const { key, turnsOn, default: usual } of TURNING_ON)
    if (values[key] !== undefined && values[key] !== usual) implied[turnsOn] = true;
  return Object.fromEntries(Object.entries(implied).filter(([key]) => values[key] === undefined));
}

/** What is not given, but plain from what is: a kernel that is named is meant to be started. */
function withImplied(input: unknown): unknown {
  if (typeof input !== 'object' || input === null) return input;
  const source = impliedSource(input);
  return { ...input, ...(source && { source }), ...impliedValues(input as Record<string, unknown>) };
}

/** What an engine needs to know to make a machine: the options of a box without those of the app. */
export const machineConfigSchema = z.preprocess(withImplied, machineShape.superRefine(checkTogether));
export type MachineConfig = z.output<typeof machineShape>;
export type MachineConfigInput = z.input<typeof machineShape>;

/** All options of a box by key. */
export const boxValuesSchema = z.preprocess(withImplied, flatSchema.superRefine(checkTogether));

/** The part of a box's values that a machine is made from. */
export function machineConfig(values: BoxValuesInput): MachineConfigInput {
  return Object.fromEntries(Object.entries(values).filter(([key]) => Object.hasOwn(machineShape.shape, key)));
}
