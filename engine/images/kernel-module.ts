import { VmError } from '../errors/vm-error';

const SIGNATURE_MAGIC = '~Module signature appended~\n';
/** struct module_signature (include/linux/module_signature.h): its last 4 bytes are the signature's length. */
const SIGNATURE_INFO_BYTES = 12;

/** What a kernel module says about itself in its `.modinfo` section. */
export interface ModuleInfo {
  name: string;
  /** Modules that must be loaded before. */
  depends: string[];
  /** Patterns of the devices and file systems that the module is for, as modprobe matches them. */
  aliases: string[];
}

/** A module's name, of its file's path: Linux does not tell `-` from `_`. */
export function moduleName(path: string): string {
  return path
    .slice(path.lastIndexOf('/') + 1)
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_');
}

/** Reads a module: ELF64, little endian. Throws VmError 'Image' for anything else. `path` is for messages. */
export function readModuleInfo(module: Uint8Array, path: string): ModuleInfo {
  const section = findSection(module, '.modinfo', path);
  const records = new TextDecoder()
    .decode(section)
    .split('\0')
    .map((record) => {
      const equals = record.indexOf('=');
      return { key: record.slice(0, equals), value: record.slice(equals + 1) };
    });
  const values = (key: string): string[] => records.filter((record) => record.key === key).map((record) => record.value);
  const name = values('name')[0];
  if (!name) throw new VmError('Image', `${path} does not say its name: it is no kernel module`);
  return { name, depends: (values('depends')[0] ?? '').split(',').filter(Boolean), aliases: values('alias') };
}

/**
 * The module without the signature at its end. The kernel checks a signature even where it does not insist on one, and
 * hashing a module costs it ten times what loading it does (1.1 of 1.3 G instructions for ext4); here the package that the
 * module comes from has been verified already.
 */
export function withoutSignature(module: Uint8Array): Uint8Array {
  const magic = new TextDecoder('latin1').decode(module.subarray(-SIGNATURE_MAGIC.length));
  const info = module.length - SIGNATURE_MAGIC.length - SIGNATURE_INFO_BYTES;
  if (magic !== SIGNATURE_MAGIC || info < 0) return module;
  const length = new DataView(module.buffer, module.byteOffset + info, SIGNATURE_INFO_BYTES).getUint32(SIGNATURE_INFO_BYTES - 4);
  return length <= info ? module.subarray(0, info - length) : module;
}

/** A section's contents, by its name (ELF-64 object file format, "Sections"). */
function findSection(elf: Uint8Array, name: string, path: string): Uint8Array {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  const damaged = (why: string): VmError => new VmError('Image', `${path} is no 64-bit kernel module: ${why}`);
  const word = (offset: number): number => {
    if (offset + 8 > elf.length) throw damaged('it is truncated');
    const value = view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
    if (value > elf.length) throw damaged(`it refers to byte ${value} of ${elf.length}`);
    return value;
  };
  if (elf.length < 64 || view.getUint32(0) !== 0x7f454c46 || elf[4] !== 2 || elf[5] !== 1) throw damaged('it has no ELF header');
  const table = word(40);
  const entryBytes = view.getUint16(58, true);
  const count = view.getUint16(60, true);
  const namesIndex = view.getUint16(62, true);
  if (entryBytes < 64 || namesIndex >= count) throw damaged('its section table is damaged');
  const section = (index: number): Uint8Array => {
    const header = table + index * entryBytes;
    const offset = word(header + 24);
    // A section of type NOBITS takes no room in the file.
    return header + 8 <= elf.length && view.getUint32(header + 4, true) === 8
      ? new Uint8Array(0)
      : elf.subarray(offset, offset + word(header + 32));
  };
  const names = section(namesIndex);
  for (let index = 0; index < count; index += 1) {
    const header = table + index * entryBytes;
    if (header + 4 > elf.length) throw damaged('its section table is truncated');
    const start = view.getUint32(header, true);
    const end = names.indexOf(0, start);
    if (end >= 0 && new TextDecoder('latin1').decode(names.subarray(start, end)) === name) return section(index);
  }
  throw damaged(`it has no section ${name}`);
}
