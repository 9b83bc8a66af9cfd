import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { linearModel } from '../../../test/support/onnx-writer';
import { builtFile } from '../../threads/built-file';
import { InferenceServer } from './inference-server';
import { InferenceStream } from './inference-stream';
import { WasmInference } from './wasm-inference';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-python-'));
const limits = { memoryBytes: 96 << 20, milliseconds: 30_000 };
const files = { worker: builtFile('inference-worker.js'), script: builtFile('onnxruntime.mjs'), code: builtFile('onnxruntime.wasm') };
const server = new InferenceServer({ backend: new WasmInference({ files, limits }), limits });
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

/** Its file 3 leads to the host. */
const PROGRAM = `
import hartbox_ai
ai = hartbox_ai.Ai(3)
print(ai.host().version, ai.models())
model = ai.load('line.onnx')
print(model.inputs, model.outputs)
print(model.run(x=hartbox_ai.Tensor.floats([10, 100], (1, 2)))['y'].values())
large = hartbox_ai.Tensor.floats([1] * 2 * 300000, (300000, 2))
print(sum(model.run({'x': large}, ['y'])['y'].values()))
for wrong in (lambda: model.run(), lambda: ai.load(b'nonsense'), lambda: ai.open('none')):
    try:
        wrong()
    except hartbox_ai.AiError as error:
        print(error.status)
model.close()
`;

describe.skipIf(spawnSync('python3', ['--version']).status !== 0)('the Python module for guests', { timeout: 120_000 }, () => {
  it('loads and runs models, and says what is wrong', async () => {
    writeFileSync(
      join(folder, 'line.onnx'),
      linearModel(
        2,
        1,
        (at) => at + 2,
        () => 1,
      ),
    );
    const python = spawn('python3', ['-c', PROGRAM], {
      cwd: folder,
      env: {
        ...process.env,
        PYTHONPATH: fileURLToPath(new URL('../../../resources/guest/ai', import.meta.url)),
        PYTHONDONTWRITEBYTECODE: '1',
      },
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    });
    const line = python.stdio[3] as Socket;
    const stream = new InferenceStream(server.client(), async (...pieces) => {
      for (const piece of pieces) line.write(piece);
    });
    line.on('data', (data) => {
      const held = stream.receive(data);
      if (!held) return;
      line.pause();
      void held.then(() => line.resume());
    });
    line.on('error', () => undefined);
    let output = '';
    python.stdout?.on('data', (data) => (output += String(data)));
    await once(python, 'close');
    expect(output.split('\n')).toEqual([
      '1 {}',
      "{'x': Tensor(float32, ?x2)} {'y': Tensor(float32, ?x1)}",
      '[321.0]',
      '1800000.0',
      '7',
      '6',
      '3',
      '',
    ]);
    await stream.close();
  });
});
