import { mkdir, readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { VmError } from '../bus/vm-error';
import { type FileLock, lockHolder, tryLock } from '../host/file-lock';
import { unfitFileName } from '../host/file-name';
import { replaceFile } from '../host/new-file';
import { type MachineConfig, type MachineConfigInput, machineConfigSchema } from './config';

/** Folder of the VM that is always there: it boots the default guest. */
export const DEFAULT_VM = 'hartbox-linux';
const DEFAULT_VM_CONFIG: MachineConfigInput = { name: 'Hartbox Linux' };

/** Version of config.json; raised when an older Hartbox could no longer read it. */
const FILE_VERSION = 1;

/** What folders of VMs look like: the same in every file system, also where case does not count. */
const ID = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;

/** A VM's identity: the name of its folder, fit for every file system. */
export const vmIdSchema = z
  .string()
  .regex(ID, 'it may have small letters, digits and hyphens between them, 64 at most')
  .superRefine((id, context) => {
    const unfit = unfitFileName(id);
    if (unfit) context.addIssue({ code: 'custom', message: unfit });
  });

const fileSchema = z.strictObject({ version: z.literal(FILE_VERSION), machine: machineConfigSchema });
const versionSchema = z.object({ version: z.number().int() });

/** One VM of the library: its configuration, or why that cannot be used. */
export type VmEntry = { id: string; config: MachineConfig; error?: undefined } | { id: string; config?: undefined; error: VmError };

/**
 * The VMs of this user: one folder each below `machines/` in the data directory, with a config.json. App and CLI share
 * it. A configuration that cannot be read is reported with its VM and never overwritten.
 */
export class VmLibrary {
  readonly directory: string;

  constructor(dataDirectory: string) {
    this.directory = join(dataDirectory, 'machines');
  }

  folder(id: string): string {
    return join(this.directory, id);
  }

  configFile(id: string): string {
    return join(this.folder(id), 'config.json');
  }

  /** Where a VM keeps the variables of its firmware. */
  flashFile(id: string): string {
    return join(this.folder(id), 'flash-vars.fd');
  }

  /** All VMs, the default one first, the others by name. Throws VmError `Resource` if the directory cannot be used. */
  async list(): Promise<VmEntry[]> {
    await this.ensureDefault();
    const folders = (await readdir(this.directory, { withFileTypes: true })).filter((entry) => entry.isDirectory());
    const ids = folders.map((entry) => entry.name).filter((name) => ID.test(name));
    const entries = await Promise.all(ids.map((id) => this.entry(id)));
    const rank = (entry: VmEntry): string => (entry.id === DEFAULT_VM ? '' : (entry.config?.name ?? entry.id).toLowerCase());
    return entries.sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  }

  /** The VM that a person means by a name or folder name. Throws VmError `Config` if there is none or more than one. */
  async find(nameOrId: string): Promise<VmEntry> {
    const entries = await this.list();
    const exact = entries.find((entry) => entry.id === nameOrId);
    if (exact) return exact;
    const named = entries.filter((entry) => entry.config?.name.toLowerCase() === nameOrId.toLowerCase());
    if (named.length === 1) return named[0];
    if (named.length > 1) {
      throw VmError.config(`There are several VMs called "${nameOrId}". Say which one: ${named.map((entry) => entry.id).join(', ')}.`);
    }
    const known = entries.map((entry) => (entry.config ? `"${entry.config.name}"` : entry.id)).join(', ');
    throw VmError.config(`There is no VM called "${nameOrId}". There are: ${known}.`);
  }

  /** A VM's configuration. Throws VmError `Image` if its file cannot be used; the file is left as it is. */
  async config(id: string): Promise<MachineConfig> {
    const path = this.configFile(id);
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (cause) {
      const missing = hasCode(cause, 'ENOENT');
      throw new VmError('Image', `The VM's configuration ${path} ${missing ? 'is missing' : `cannot be read (${reasonOf(cause)})`}.`, {
        cause,
      });
    }
    let data: unknown;
    try {
      data = JSON.parse(text);
    } catch (cause) {
      throw new VmError(
        'Image',
        `The VM's configuration ${path} is damaged: it is not JSON (${reasonOf(cause)}). Correct it, or restore it from a backup.`,
        { cause },
      );
    }
    const version = versionSchema.safeParse(data);
    if (version.success && version.data.version > FILE_VERSION) {
      throw new VmError(
        'Image',
        `The VM's configuration ${path} was written by a newer Hartbox (version ${version.data.version}; this one knows ${FILE_VERSION}). Update Hartbox to use it.`,
      );
    }
    const file = fileSchema.safeParse(data);
    if (!file.success) {
      const problems = file.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`).join('; ');
      throw new VmError('Image', `The VM's configuration ${path} is not valid: ${problems}. Correct the file.`, { cause: file.error });
    }
    return file.data.machine;
  }

  /** Write a VM's configuration, new or changed; a crash leaves the old file or the new one, never half of one. */
  async save(id: string, config: MachineConfigInput): Promise<void> {
    const named = vmIdSchema.safeParse(id);
    if (!named.success)
      throw VmError.config(`A VM's folder cannot be called "${id}": ${named.error.issues[0].message}. Choose another name.`);
    machineConfigSchema.parse(config);
    const text = `${JSON.stringify({ version: FILE_VERSION, machine: config }, null, 2)}\n`;
    try {
      await mkdir(this.folder(id), { recursive: true });
      await replaceFile(this.configFile(id), text);
    } catch (cause) {
      throw new VmError(
        'Resource',
        `The VM's configuration ${this.configFile(id)} could not be written (${reasonOf(cause)}). Check that the disk has room and the folder is yours.`,
        { cause },
      );
    }
  }

  /** Whether a process that is alive runs the VM. */
  async isRunning(id: string): Promise<boolean> {
    return (await lockHolder(this.lockPath(id), { oldOwnerFile: this.oldOwnerFile(id) })) !== undefined;
  }

  /**
   * Take the VM for this process until `release`. Throws VmError `Resource` if another process runs it. The lock of a
   * process that died is taken over.
   */
  async lock(id: string, program: string): Promise<FileLock> {
    const taken = await tryLock(this.lockPath(id), { program, oldOwnerFile: this.oldOwnerFile(id) }).catch((cause: unknown) => {
      throw new VmError(
        'Resource',
        `The VM in ${this.folder(id)} could not be reserved (${reasonOf(cause)}). Check that the folder is yours and the disk has room.`,
        { cause },
      );
    });
    if (!taken.held) return taken;
    throw new VmError(
      'Resource',
      `This VM is already being run by ${taken.held.who}. A VM can run only once at a time: stop it there first. (If that process is gone, delete ${taken.held.lock}.)`,
    );
  }

  /** In the place of what earlier versions locked by: they and this one see each other's. */
  private lockPath(id: string): string {
    return join(this.folder(id), 'lock');
  }

  /** Where earlier versions wrote who had their lock. */
  private oldOwnerFile(id: string): string {
    return join(this.folder(id), 'owner.json');
  }

  private async entry(id: string): Promise<VmEntry> {
    const unfit = unfitFileName(id);
    if (unfit) return { id, error: VmError.config(`The VM's folder ${this.folder(id)} needs another name: ${unfit}. Rename it.`) };
    try {
      return { id, config: await this.config(id) };
    } catch (error) {
      return { id, error: error instanceof VmError ? error : new VmError('Internal', reasonOf(error), { cause: error }) };
    }
  }

  private async ensureDefault(): Promise<void> {
    try {
      await stat(this.configFile(DEFAULT_VM));
    } catch (error) {
      if (hasCode(error, 'ENOENT')) await this.save(DEFAULT_VM, DEFAULT_VM_CONFIG);
    }
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
