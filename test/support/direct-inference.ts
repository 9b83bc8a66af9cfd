import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { OnnxRuntime, OnnxTensor } from '../../engine/backend/inference/onnx-runtime';
import { builtFile } from '../../engine/threads/built-file';

/** ONNX Runtime called directly, in this process: what results are compared with. */
export async function onnxRuntime(): Promise<OnnxRuntime> {
  const ort = (await import(/* @vite-ignore */ pathToFileURL(builtFile('onnxruntime.mjs')).href)) as OnnxRuntime;
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = new Uint8Array(readFileSync(builtFile('onnxruntime.wasm'))).buffer;
  return ort;
}

/** The model Silero VAD, which tells speech from other sounds, of 2.3 MB (MIT). */
export const SPEECH_MODEL = new URL('../../node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx', import.meta.url);

/** How likely each window of 512 samples of 16 kHz is speech. */
export async function speechIn(sound: Float32Array): Promise<number[]> {
  const ort = await onnxRuntime();
  const session = await ort.InferenceSession.create(readFileSync(SPEECH_MODEL), { executionProviders: ['wasm'] });
  let state: OnnxTensor = new ort.Tensor('float32', new Float32Array(256), [2, 1, 128]);
  const likely: number[] = [];
  for (let at = 0; at + 512 <= sound.length; at += 512) {
    const found = await session.run({
      input: new ort.Tensor('float32', sound.slice(at, at + 512), [1, 512]),
      state,
      sr: new ort.Tensor('int64', BigInt64Array.of(16000n), []),
    });
    state = found['stateN'];
    likely.push((found['output'].data as Float32Array)[0]);
  }
  return likely;
}
