import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { onnxRuntime, SPEECH_MODEL } from '../../../test/support/direct-inference';
import { floats, resultsOf, runBody } from '../../../test/support/inference-message';
import { endlessModel, hungryModel, linearModel } from '../../../test/support/onnx-writer';
import { builtFile } from '../../threads/built-file';
import { InferenceError, STATUS } from './message';
import { WasmInference } from './wasm-inference';

const files = {
  worker: builtFile('inference-worker.js'),
  script: builtFile('onnxruntime.mjs'),
  code: builtFile('onnxruntime.wasm'),
};
const backend = new WasmInference({ files, limits: { memoryBytes: 96 << 20, milliseconds: 30_000 } });
afterAll(() => backend.close());

const ROOM = { bytes: 1 << 20 };
const int64 = (value: number): Uint8Array => new Uint8Array(BigInt64Array.of(BigInt(value)).buffer);
const floatsOf = (bytes: Uint8Array<ArrayBuffer>): number[] => [...new Float32Array(bytes.buffer)];
const status = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'fine',
    (error: unknown) => (error instanceof InferenceError ? error.status : error),
  );

describe('ONNX Runtime in workers', { timeout: 240_000 }, () => {
  it('says what a model takes, and runs it', async () => {
    const model = await backend.open(
      linearModel(
        3,
        2,
        (at) => at,
        (at) => 10 * at,
      ),
    );
    expect(model.inputs).toEqual([{ name: 'x', type: 'float32', dimensions: [0xffff_ffff, 3] }]);
    expect(model.outputs).toEqual([{ name: 'y', type: 'float32', dimensions: [0xffff_ffff, 2] }]);
    const body = runBody([{ name: 'x', dimensions: [1, 3], data: floats(1, 2, 3) }]);
    const [result] = resultsOf((await model.run([body], ROOM)).body!);
    expect({ ...result, data: floatsOf(result.data) }).toEqual({ name: 'y', type: 1, dimensions: [1, 2], data: [16, 32] });
    // The same from pieces that end anywhere, into memory that is there.
    const pieces = Array.from({ length: Math.ceil(body.length / 5) }, (_, at) => body.subarray(5 * at, 5 * at + 5));
    const memory = new Uint8Array(new SharedArrayBuffer(200));
    const { length } = await model.run(pieces, { pieces: [memory.subarray(0, 50), memory.subarray(60)], at: 10 });
    const joined = Buffer.concat([memory.subarray(10, 50), memory.subarray(60)]).subarray(0, length);
    expect(floatsOf(resultsOf(joined)[0].data)).toEqual([16, 32]);
    expect([...memory.subarray(0, 10), ...memory.subarray(50, 60)]).toEqual(new Array(20).fill(0));
    await model.close();
    expect(await status(model.run([body], ROOM))).toBe(STATUS.gone);
  });

  it('gives what ONNX Runtime gives when it is called directly, for a model that listens for speech', async () => {
    const file = readFileSync(SPEECH_MODEL);
    const ort = await onnxRuntime();
    const session = await ort.InferenceSession.create(file, { executionProviders: ['wasm'] });
    const model = await backend.open(Uint8Array.from(file));
    let state = new Float32Array(2 * 128);
    for (let window = 0; window < 3; window++) {
      const sound = Float32Array.from({ length: 512 }, (_, at) => Math.sin((at * at * (window + 1)) / 900) / 2);
      const direct = await session.run({
        input: new ort.Tensor('float32', sound, [1, 512]),
        state: new ort.Tensor('float32', state, [2, 1, 128]),
        sr: new ort.Tensor('int64', BigInt64Array.of(16000n), []),
      });
      const bytes = (array: Float32Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
      const { body } = await model.run(
        [
          runBody([
            { name: 'input', dimensions: [1, 512], data: bytes(sound) },
            { name: 'state', dimensions: [2, 1, 128], data: bytes(state) },
            { name: 'sr', type: 7, data: int64(16000) },
          ]),
        ],
        ROOM,
      );
      for (const result of resultsOf(body!)) expect(new Float32Array(result.data.buffer)).toEqual(direct[result.name].data);
      state = Float32Array.from(direct['stateN'].data as Float32Array);
    }
    await model.close();
  });

  it('says what is wrong with a model and with what it is given', async () => {
    expect(await status(backend.open(Uint8Array.of(1, 2, 3)))).toBe(STATUS.badModel);
    const model = await backend.open(
      linearModel(
        3,
        2,
        () => 1,
        () => 0,
      ),
    );
    const run = (...inputs: Parameters<typeof runBody>): Promise<unknown> => status(model.run([runBody(...inputs)], ROOM));
    const x = { name: 'x', dimensions: [1, 3], data: floats(1, 2, 3) };
    expect(await run([])).toBe(STATUS.failed);
    expect(await run([{ ...x, name: 'z' }])).toBe(STATUS.failed);
    expect(await run([{ ...x, dimensions: [3, 1] }])).toBe(STATUS.failed);
    expect(await run([{ ...x, dimensions: [1, 4] }])).toBe(STATUS.badMessage);
    expect(await run([{ ...x, type: 8 }])).toBe(STATUS.unsupported);
    expect(await run([x], ['q'])).toBe(STATUS.failed);
    expect(await status(model.run([runBody([x]).subarray(0, 30)], ROOM))).toBe(STATUS.badMessage);
    expect(await status(model.run([runBody([x])], { bytes: 20 }))).toBe(STATUS.noRoom);
    // And it works as before.
    expect(await run([x], ['y'])).toBe('fine');
    await model.close();
  });

  it('ends a model that does not end, alone', async () => {
    const hasty = new WasmInference({ files, limits: { memoryBytes: 96 << 20, milliseconds: 500 } });
    const endless = await hasty.open(endlessModel());
    const good = await hasty.open(
      linearModel(
        1,
        1,
        () => 2,
        () => 0,
      ),
    );
    const x = [runBody([{ name: 'x', dimensions: [1], data: floats(1) }])];
    const [first, second] = await Promise.all([status(endless.run(x, ROOM)), status(endless.run(x, ROOM))]);
    expect([first, second]).toEqual([STATUS.timeout, STATUS.gone]);
    expect(await status(good.run([runBody([{ name: 'x', dimensions: [1, 1], data: floats(1) }])], ROOM))).toBe('fine');
    const waiting = hasty.open(endlessModel());
    const running = status((await waiting).run(x, ROOM));
    await hasty.close();
    expect(await running).toBe(STATUS.gone);
  });

  it('gives a model no more memory than it may have', async () => {
    const hungry = await backend.open(hungryModel());
    const ask = (count: number): Promise<unknown> =>
      status(hungry.run([runBody([{ name: 'x', type: 7, dimensions: [1], data: int64(count) }])], ROOM));
    expect(await ask(1 << 20)).toBe('fine');
    expect(await ask(1 << 27)).toBe(STATUS.outOfMemory);
    await hungry.close();
  });
});
