/** A field of a message: a number of so many bytes, or a text. */
export type NinePField = { bytes: 2 | 4 | 8; value: number | bigint } | string | Uint8Array;

export const u16 = (value: number): NinePField => ({ bytes: 2, value });
export const u32 = (value: number): NinePField => ({ bytes: 4, value });
export const u64 = (value: number | bigint): NinePField => ({ bytes: 8, value });

const NO_FID = 0xffffffff;

/** Messages of 9P2000.L, as a client writes them. */
export const NinePMessage = {
  /** size[4] type[1] tag[2], then the fields; of a text each character is a byte. */
  of(type: number, tag: number, ...fields: NinePField[]): Uint8Array {
    const parts = fields.map((field) => {
      if (field instanceof Uint8Array) return Buffer.from(field);
      if (typeof field === 'string') {
        const bytes = Buffer.from(field, 'latin1');
        return Buffer.concat([Uint8Array.of(bytes.length & 0xff, bytes.length >> 8), bytes]);
      }
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(field.value)));
      return bytes.subarray(0, field.bytes);
    });
    const body = Buffer.concat(parts);
    const header = Buffer.alloc(7);
    header.writeUInt32LE(7 + body.length, 0);
    header.writeUInt8(type, 4);
    header.writeUInt16LE(tag, 5);
    return Buffer.concat([header, body]);
  },
  version: (msize: number, version = '9P2000.L'): Uint8Array => NinePMessage.of(100, 0xffff, u32(msize), version),
  attach: (tag: number, fid: number): Uint8Array => NinePMessage.of(104, tag, u32(fid), u32(NO_FID), 'root', '', u32(0)),
};
