import { z } from 'zod';
import { option } from './option';
import { placeOptions } from './place';

/** A drive; on the command line its options are written `file=disk.qcow2,readonly`. */
export const driveSchema = z.strictObject({
  file: option(z.string().min(1), {
    label: 'Image',
    help: 'the file that holds the disk, or the ISO image',
    page: 'drives',
    kind: 'file',
    effect: 'live',
  }),
  interface: option(z.enum(['virtio', 'scsi']).optional(), {
    label: 'Attached as',
    help: 'a virtio disk of its own, or a unit of the SCSI adapter; discs are SCSI, disks virtio, unless this says otherwise',
    page: 'drives',
    kind: 'choice',
    effect: 'restart',
    choices: { virtio: 'virtio disk', scsi: 'SCSI unit' },
    cli: { name: 'if' },
  }),
  media: option(z.enum(['disk', 'cdrom']).default('disk'), {
    label: 'Medium',
    help: 'a disk, or a disc in a CD-ROM drive: read-only, and the guest can eject it',
    page: 'drives',
    kind: 'choice',
    effect: 'restart',
    choices: { disk: 'disk', cdrom: 'disc (CD-ROM)' },
  }),
  format: option(z.enum(['auto', 'raw', 'qcow2']).default('auto'), {
    label: 'Format',
    help: 'auto looks at the file; say raw for a raw disk to whose first bytes the guest writes an image of its own',
    page: 'drives',
    kind: 'choice',
    effect: 'restart',
    choices: { auto: 'look at the file', raw: 'raw', qcow2: 'qcow2' },
    advanced: true,
  }),
  readonly: option(z.boolean().default(false), {
    label: 'Read-only',
    help: 'the guest can not write to it',
    page: 'drives',
    kind: 'switch',
    effect: 'restart',
  }),
  serial: option(z.string().max(20).optional(), {
    label: 'Serial number',
    help: 'what the guest sees as the serial number of the disk, 20 characters at most',
    page: 'drives',
    kind: 'text',
    effect: 'restart',
    advanced: true,
  }),
  discard: option(z.boolean().default(true), {
    label: 'Discard',
    help: 'whether the guest may give up space that it no longer needs',
    page: 'drives',
    kind: 'switch',
    effect: 'restart',
    advanced: true,
  }),
  blockSize: option(z.union([z.literal(512), z.literal(4096)]).default(512), {
    label: 'Block size',
    help: 'bytes of the blocks in which the guest should read and write; those of a disc have 2048',
    page: 'drives',
    kind: 'choice',
    effect: 'restart',
    choices: { 512: '512 bytes', 4096: '4096 bytes' },
    advanced: true,
    cli: { name: 'blocksize' },
  }),
  queues: option(z.number().int().min(1).max(16).optional(), {
    label: 'Queues',
    help: 'of a virtio disk; as many as there are harts unless given',
    page: 'drives',
    kind: 'count',
    effect: 'restart',
    advanced: true,
    cli: { value: 'N' },
  }),
  ...placeOptions('drives', {
    id: 'names the drive while the box runs; drive0, drive1 and so on unless given',
    slot: 'of a virtio disk: number of its MMIO slot (0 to 7) or PCI device (1 to 31); the first that is free unless given',
  }),
});

export type DriveConfig = z.output<typeof driveSchema>;
export type DriveConfigInput = z.input<typeof driveSchema>;
