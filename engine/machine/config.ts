import { z } from 'zod';

const MiB = 1 << 20;

/** A file or a built-in: `default` is the OpenSBI that comes with the default guest, `none` runs the kernel in M-mode. */
const firmware = z.union([z.literal('default'), z.literal('none'), z.string().min(1)]);

export const driveSchema = z.strictObject({
  file: z.string().min(1),
  format: z.enum(['raw']).default('raw'),
  readonly: z.boolean().default(false),
  /** What the guest sees as the disk's serial number; at most 20 bytes (virtio 1.3 §5.2.6.1). */
  serial: z.string().max(20).optional(),
});

/** What a machine is made of: the one schema that CLI, app and library share. */
export const machineConfigSchema = z.strictObject({
  name: z.string().min(1).max(64).default('Hartbox'),
  /** Bytes of guest RAM: whole MiB. */
  memory: z
    .number()
    .int()
    .min(16 * MiB)
    .max(3840 * MiB)
    .multipleOf(MiB)
    .default(512 * MiB),
  harts: z.number().int().min(1).max(16).default(1),
  /** Interrupt controllers: a PLIC, an APLIC, or an APLIC that sends messages to an IMSIC in each hart, as on QEMU's virt. */
  aia: z.enum(['none', 'aplic', 'aplic-imsic']).default('none'),
  /** Translate hot guest code to WebAssembly; off, everything is interpreted. */
  jit: z.boolean().default(true),
  firmware: firmware.default('default'),
  /** Path of a Linux Image (raw, gzip, zstd) or an ELF file. */
  kernel: z.string().min(1).optional(),
  initrd: z.string().min(1).optional(),
  /** The kernel's command line; Linux for RISC-V uses the first 1024 bytes. */
  append: z.string().max(4096).default(''),
  /** The board has 8 virtio slots; console, named ports and entropy take three. */
  drives: z.array(driveSchema).max(5).default([]),
  /** Size of the console at start; resizing later reaches the guest. */
  console: z
    .strictObject({ columns: z.number().int().min(1).max(1000).default(80), rows: z.number().int().min(1).max(1000).default(24) })
    .prefault({}),
});

export type MachineConfig = z.output<typeof machineConfigSchema>;
export type MachineConfigInput = z.input<typeof machineConfigSchema>;
export type DriveConfig = z.output<typeof driveSchema>;
