import { type NinePField, u32 } from './nine-p-message';

/** A request of FUSE, as a guest's kernel writes it: fuse_in_header, then the fields; a text has a NUL behind it, each character is a byte. */
export function fuseRequest(opcode: number, inode: number | bigint, unique: number, ...fields: NinePField[]): Uint8Array {
  const body = Buffer.concat(
    fields.map((field) => {
      if (field instanceof Uint8Array) return Buffer.from(field);
      if (typeof field === 'string') return Buffer.from(`${field}\0`, 'latin1');
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(field.value)));
      return bytes.subarray(0, field.bytes);
    }),
  );
  const header = Buffer.alloc(40);
  header.writeUInt32LE(40 + body.length, 0);
  header.writeUInt32LE(opcode, 4);
  header.writeBigUInt64LE(BigInt(unique), 8);
  header.writeBigUInt64LE(BigInt.asUintN(64, BigInt(inode)), 16);
  return Buffer.concat([header, body]);
}

/** The first request: FUSE 7.31 unless told otherwise, and all that a kernel may offer. */
export function fuseInit({ major = 7, minor = 31, flags = 0xffffffff } = {}): Uint8Array {
  return fuseRequest(26, 0, 1, u32(major), u32(minor), u32(1 << 20), u32(flags));
}
