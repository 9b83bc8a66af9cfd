import type { TensorDescription } from './tensors';

/** Where the body of an answer goes: into pieces of memory from byte `at` of them on, or, for as many bytes as it may have, into new memory. */
export type ResultRoom = { pieces: readonly Uint8Array[]; at: number } | { bytes: number };

export interface ModelInterface {
  inputs: TensorDescription[];
  outputs: TensorDescription[];
}

/** A model that is ready to be run. All failures are InferenceErrors. */
export interface OpenModel extends ModelInterface {
  /**
   * Run it with the body of a request, whose pieces must not be used for anything else until this resolves; several may wait. Resolves with
   * how many bytes the body of the answer has, and with that itself where it went into new memory.
   */
  run(request: readonly Uint8Array[], room: ResultRoom): Promise<{ length: number; body?: Uint8Array }>;
  /** Whatever it works at is given up. Resolves when nothing of it touches memory any more. */
  close(): Promise<void>;
}

/** What runs models: knows neither guests nor virtio. */
export interface InferenceBackend {
  /** For people: what it is, and its version. */
  readonly name: string;
  /** Takes the model's bytes with the whole buffer in which they lie. `signal` ends it. Throws InferenceError. */
  open(model: Uint8Array<ArrayBuffer>, signal?: AbortSignal): Promise<OpenModel>;
  close(): Promise<void>;
}

export interface InferenceLimits {
  /** Bytes that a model may take while it runs, weights and all. */
  memoryBytes: number;
  /** How long one request may take, milliseconds. */
  milliseconds: number;
}
