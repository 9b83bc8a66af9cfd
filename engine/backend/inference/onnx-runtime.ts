import type { TensorType } from './tensors';

/**
 * What we use of the script onnxruntime.mjs, which the build takes out of the package onnxruntime-web as it is
 * (onnxruntime.ai/docs/api/js): it is loaded by its path, so that nobody bundles it.
 */
export interface OnnxRuntime {
  env: { logLevel: string; wasm: { numThreads: number; wasmBinary: ArrayBuffer } };
  Tensor: new (type: TensorType, data: ArrayBufferView, dimensions: readonly number[]) => OnnxTensor;
  InferenceSession: {
    create(model: Uint8Array, options: { executionProviders: readonly 'wasm'[]; logSeverityLevel?: number }): Promise<OnnxSession>;
  };
}

export interface OnnxTensor {
  readonly type: TensorType | 'string';
  readonly dims: readonly number[];
  /** Of strings, an array of them. */
  readonly data: ArrayBufferView;
}

export interface OnnxSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly OnnxMetadata[];
  readonly outputMetadata: readonly OnnxMetadata[];
  run(feeds: Readonly<Record<string, OnnxTensor>>, outputs?: readonly string[]): Promise<Record<string, OnnxTensor>>;
}

/** Sizes that have a name, or none, vary. */
export type OnnxMetadata =
  | { name: string; isTensor: true; type: TensorType; shape: readonly (number | string)[] }
  | { name: string; isTensor: false };
