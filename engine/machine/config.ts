import { z } from 'zod';

const MiB = 1 << 20;

/**
 * `opensbi` starts a kernel; `uboot` and `edk2` (UEFI) start what they find on the drives, or the kernel; `none` runs the kernel in
 * M-mode; anything else is a file that runs in M-mode. `default` is what `opensbi` was called in older configurations.
 */
const firmware = z
  .string()
  .min(1)
  .transform((which) => (which === 'default' ? 'opensbi' : which));

/** An item that firmware and kernel find in fw_cfg under its name. */
const fwCfgSchema = z.strictObject({
  name: z.string().regex(/^opt\/[\x21-\x7e]{1,51}$/),
  file: z.string().min(1).optional(),
  text: z.string().optional(),
});

/** Of the board's MMIO slots there are eight; PCI has 31 places. */
const virtioBus = z.enum(['mmio', 'pci']);

export const driveSchema = z.strictObject({
  file: z.string().min(1),
  /** `auto` looks at the file: qcow2 if it says so, else raw. Say `raw` for disks that hold an image of their own. */
  format: z.enum(['auto', 'raw', 'qcow2']).default('auto'),
  readonly: z.boolean().default(false),
  /** Where it sits; where the machine's other virtio devices sit unless given. */
  bus: virtioBus.optional(),
  /** What the guest sees as the disk's serial number; at most 20 bytes (virtio 1.3 §5.2.6.1). */
  serial: z.string().max(20).optional(),
  /** Names it while the machine runs; `drive0`, `drive1` … unless given. */
  id: z.string().min(1).max(64).optional(),
  /** A virtio disk of its own, or a unit of the machine's SCSI adapter. Discs are SCSI, disks virtio, unless this says otherwise. */
  interface: z.enum(['virtio', 'scsi']).optional(),
  /** A disk, or a disc in a CD-ROM drive: read-only, and the guest can eject it. */
  media: z.enum(['disk', 'cdrom']).default('disk'),
  /** Whether the guest may give up space that it no longer needs. */
  discard: z.boolean().default(true),
  /** Bytes of the blocks in which the guest should read and write; those of a disc have 2048. */
  blockSize: z.union([z.literal(512), z.literal(4096)]).default(512),
  /** Queues of a virtio disk; as many as there are harts unless given. */
  queues: z.number().int().min(1).max(16).optional(),
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
  firmware: firmware.default('opensbi'),
  /** The file in which the firmware's variables (the second flash bank) outlast the machine; made if it is missing. */
  flashVars: z.string().min(1).optional(),
  /** Names begin with `opt/`; each has the contents of a file or a text. */
  fwCfg: z.array(fwCfgSchema).max(64).default([]),
  /** Path of a Linux Image (raw, gzip, zstd) or an ELF file. */
  kernel: z.string().min(1).optional(),
  initrd: z.string().min(1).optional(),
  /** The kernel's command line; Linux for RISC-V uses the first 1024 bytes. */
  append: z.string().max(4096).default(''),
  /** Where virtio devices sit, each in a place of its own; those for which MMIO has no slot left sit on PCI. */
  bus: virtioBus.default('mmio'),
  /** What virtio devices offer beyond what every machine does: packed rings, use in order, notifications that say how far the driver is. */
  virtio: z.array(z.enum(['packed', 'in-order', 'notification-data'])).default([]),
  /** All SCSI drives together take one place. */
  drives: z.array(driveSchema).max(64).default([]),
  /** A SCSI adapter even if no drive needs one yet: to it drives can be attached while the machine runs. */
  scsi: z.boolean().default(false),
  /** Size of the console at start; resizing later reaches the guest. */
  console: z
    .strictObject({ columns: z.number().int().min(1).max(1000).default(80), rows: z.number().int().min(1).max(1000).default(24) })
    .prefault({}),
});

export type MachineConfig = z.output<typeof machineConfigSchema>;
export type MachineConfigInput = z.input<typeof machineConfigSchema>;
export type DriveConfig = z.output<typeof driveSchema>;
export type DriveConfigInput = z.input<typeof driveSchema>;

/** The configuration with `file` for the variables of firmware that has some, unless it names another. */
export function keepingVariables<C extends MachineConfigInput>(config: C, file: string | undefined): C {
  return config.firmware === 'edk2' && config.flashVars === undefined && file !== undefined ? { ...config, flashVars: file } : config;
}
