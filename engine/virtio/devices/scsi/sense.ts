/** Why a command was not carried out: sense key, additional sense code and its qualifier (SPC-5 §4.4, tables 29 and 48). */
export interface Sense {
  key: number;
  code: number;
  qualifier: number;
}

const sense = (key: number, code: number, qualifier: number): Sense => ({ key, code, qualifier });

export const SENSE = {
  none: sense(0x0, 0x00, 0x00),
  noMediumTrayClosed: sense(0x2, 0x3a, 0x01),
  noMediumTrayOpen: sense(0x2, 0x3a, 0x02),
  writeError: sense(0x3, 0x0c, 0x00),
  unrecoveredReadError: sense(0x3, 0x11, 0x00),
  parameterListLength: sense(0x5, 0x1a, 0x00),
  invalidOperationCode: sense(0x5, 0x20, 0x00),
  addressOutOfRange: sense(0x5, 0x21, 0x00),
  invalidFieldInCommand: sense(0x5, 0x24, 0x00),
  unitNotSupported: sense(0x5, 0x25, 0x00),
  invalidFieldInParameters: sense(0x5, 0x26, 0x00),
  savingNotSupported: sense(0x5, 0x39, 0x00),
  removalPrevented: sense(0x5, 0x53, 0x02),
  mediumMayHaveChanged: sense(0x6, 0x28, 0x00),
  powerOn: sense(0x6, 0x29, 0x00),
  unitReset: sense(0x6, 0x29, 0x03),
  capacityChanged: sense(0x6, 0x2a, 0x09),
  writeProtected: sense(0x7, 0x27, 0x00),
  miscompare: sense(0xe, 0x1d, 0x00),
} as const satisfies Record<string, Sense>;

/** A command ends with the status CHECK CONDITION and this sense. */
export class CheckCondition extends Error {
  constructor(readonly sense: Sense) {
    super(`CHECK CONDITION, sense key ${sense.key.toString(16)}, ${sense.code.toString(16)}/${sense.qualifier.toString(16)}`);
  }
}

/** Sense data as it travels: fixed format, 18 bytes, or descriptor format, 8 bytes (SPC-5 §4.4.2 and §4.4.3). */
export function senseData({ key, code, qualifier }: Sense, descriptorFormat = false): Uint8Array {
  if (descriptorFormat) return Uint8Array.of(0x72, key, code, qualifier, 0, 0, 0, 0);
  const bytes = new Uint8Array(18);
  bytes[0] = 0x70;
  bytes[2] = key;
  bytes[7] = bytes.length - 8;
  bytes[12] = code;
  bytes[13] = qualifier;
  return bytes;
}
