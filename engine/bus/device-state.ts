import { z } from 'zod';
import { VmError } from '../errors/vm-error';

/** What a snapshot holds of a device: plain data, as JSON has it, under the version of its layout. */
export interface SavedState {
  version: number;
  state: unknown;
}

export interface DeviceStateOptions<Schema extends z.ZodType> {
  /** Counts changes of the schema: states of other versions are refused. */
  version: number;
  /** What the state looks like, with the ranges of all values: nothing else gets to `load`. */
  schema: Schema;
  save: () => z.input<Schema>;
  /**
   * Checks what the schema cannot know (throw, or `refuse`), and returns what then puts the state into the device. That part must not fail,
   * and makes nothing happen but what the state says: no interrupt but a line's level, no request.
   */
  load: (state: z.output<Schema>, refuse: (why: string) => never) => () => void;
}

const savedSchema = z.strictObject({ version: z.int(), state: z.unknown() });

/**
 * The state of a device on the board, as snapshots hold it: the one place where its layout, its version, and how it gets out of the device
 * and back stand together. What lies in guest RAM and in a back end (a disk's contents) is not part of it.
 */
export class DeviceState<Schema extends z.ZodType = z.ZodType> {
  constructor(
    private readonly device: { readonly name: string },
    private readonly options: DeviceStateOptions<Schema>,
  ) {}

  /** That of a device which has none. */
  static none(device: { readonly name: string }): DeviceState {
    return new DeviceState(device, { version: 1, schema: z.null(), save: () => null, load: () => () => undefined });
  }

  /** While no hart runs. */
  snapshot(): SavedState {
    return { version: this.options.version, state: this.options.save() };
  }

  /** Throws VmError 'State', and leaves the device as it was, where the state is not one of such a device. No hart may be running. */
  restore(saved: unknown): void {
    this.check(saved)();
  }

  /** The first half of `restore`: throws what it throws; what is returned does the rest and cannot fail. */
  check(saved: unknown): () => void {
    const { version, schema, load } = this.options;
    const outside = savedSchema.safeParse(saved);
    if (!outside.success) return this.refuse('it is no state of a device', outside.error);
    if (outside.data.version !== version) this.refuse(`it has version ${outside.data.version}, and this one reads version ${version}`);
    const parsed = schema.safeParse(outside.data.state);
    if (!parsed.success) {
      const [{ path, message }] = parsed.error.issues;
      return this.refuse(`${path.join('.') || 'state'}: ${message}`, parsed.error);
    }
    return load(parsed.data, (why) => this.refuse(why));
  }

  private refuse(why: string, cause?: unknown): never {
    throw new VmError('State', `The saved state of ${this.device.name} cannot be used here: ${why}.`, { cause });
  }
}

/** An unsigned number of so many bits, at most 53. */
export const unsigned = (bits: number): z.ZodNumber =>
  z
    .number()
    .int()
    .min(0)
    .max(2 ** bits - 1);

/** A list of `length` unsigned 32-bit words. */
export const wordList = (length: number): z.ZodArray<z.ZodNumber> => z.array(unsigned(32)).length(length);

/** Bytes are base64. */
export const bytesSchema = z.base64();

export function saveBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

export function loadBytes(saved: string): Uint8Array {
  return new Uint8Array(Buffer.from(saved, 'base64'));
}
