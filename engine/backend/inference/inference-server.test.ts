import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeInference, fakeInferenceServer, inferenceAnswers, inferenceRequest } from '../../../test/support/inference-message';
import { type InferenceClient, type InferenceReply, InferenceServer } from './inference-server';
import { InferenceStream } from './inference-stream';
import { MESSAGE_MAX, OPERATION, STATUS } from './message';
import { ModelFolder } from './model-folder';

const path = mkdtempSync(join(tmpdir(), 'hartbox-models-'));
let folder: ModelFolder;
beforeAll(async () => {
  writeFileSync(join(path, 'one.onnx'), Uint8Array.of(1, 2, 3));
  writeFileSync(join(path, 'secret.txt'), 'no');
  writeFileSync(join(path, 'large.onnx'), new Uint8Array((1 << 20) + 1));
  writeFileSync(join(path, '..', `${path.split('/').at(-1)}.onnx`), Uint8Array.of(1));
  mkdirSync(join(path, 'sub.onnx'));
  writeFileSync(join(path, 'sub.onnx', 'two.onnx'), Uint8Array.of(1));
  symlinkSync('secret.txt', join(path, 'link.onnx'));
  folder = await ModelFolder.open(path);
});
afterAll(async () => {
  await folder.close();
  rmSync(`${path}.onnx`);
  rmSync(path, { recursive: true });
});

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const upload = (at: number, ...bytes: number[]): Uint8Array => Uint8Array.from([...new Uint8Array(Uint32Array.of(at, 0).buffer), ...bytes]);

function ask(
  client: InferenceClient,
  operation: number,
  handle = 0,
  body: Uint8Array = new Uint8Array(),
  room = 4096,
): Promise<InferenceReply> {
  return client.answer({ length: 0, operation, status: 0, id: 1, handle, room }, [body]);
}

/** A client's model. */
async function model(client: InferenceClient): Promise<number> {
  const { handle } = await ask(client, OPERATION.upload, 0, upload(1, 9));
  expect(await ask(client, OPERATION.open, handle)).toMatchObject({ status: STATUS.ok, handle });
  return handle;
}

describe('inference for a guest', () => {
  it('opens what comes in pieces, runs it, and closes it', async () => {
    const backend = new FakeInference();
    const client = fakeInferenceServer(backend).client();
    const { handle } = await ask(client, OPERATION.upload, 0, upload(4, 1, 2));
    expect(await ask(client, OPERATION.open, handle)).toMatchObject({ status: STATUS.badMessage });
    // What goes wrong with a model takes it along.
    expect(await ask(client, OPERATION.open, handle)).toMatchObject({ status: STATUS.notFound });

    const { handle: second } = await ask(client, OPERATION.upload, 0, upload(4, 1, 2));
    expect(await ask(client, OPERATION.upload, second, upload(3, 4))).toMatchObject({ status: STATUS.badMessage });
    expect(await ask(client, OPERATION.upload, second, upload(2, 3, 4, 5))).toMatchObject({ status: STATUS.badMessage });
    expect(await ask(client, OPERATION.upload, second, upload(2, 3, 4))).toMatchObject({ status: STATUS.ok, handle: second });
    expect(await ask(client, OPERATION.open, second)).toMatchObject({ status: STATUS.ok, handle: second });
    expect(await ask(client, OPERATION.run, second, text('abc'))).toMatchObject({ status: STATUS.ok, length: 3 });
    expect(backend.models).toBe(1);
    expect(await ask(client, OPERATION.close, second)).toMatchObject({ status: STATUS.ok });
    expect(backend.models).toBe(0);
    expect(await ask(client, OPERATION.run, second)).toMatchObject({ status: STATUS.notFound });
    expect(await ask(client, 99)).toMatchObject({ status: STATUS.unsupported });
  });

  it('shows a program nothing of what another has, and forgets all when it leaves', async () => {
    const backend = new FakeInference();
    const server = fakeInferenceServer(backend);
    const [one, two] = [server.client(), server.client()];
    const handle = await model(one);
    expect(await ask(two, OPERATION.run, handle)).toMatchObject({ status: STATUS.notFound });
    expect(await ask(two, OPERATION.close, handle)).toMatchObject({ status: STATUS.notFound });
    await model(two);
    await one.close();
    expect(backend.models).toBe(1);
    expect(await ask(two, OPERATION.leave)).toMatchObject({ status: STATUS.ok });
    expect(backend.models).toBe(0);
  });

  it('has limits: of models, of bytes on their way, of answers', async () => {
    const client = fakeInferenceServer().client();
    expect(await ask(client, OPERATION.upload, 0, upload((1 << 20) + 1))).toMatchObject({ status: STATUS.tooLarge });
    expect(await ask(client, OPERATION.upload, 0, upload(0))).toMatchObject({ status: STATUS.tooLarge });
    const { handle } = await ask(client, OPERATION.upload, 0, upload(1 << 20, 1));
    expect(await ask(client, OPERATION.upload, 0, upload(1, 1))).toMatchObject({ status: STATUS.tooLarge });
    await ask(client, OPERATION.close, handle);
    const models: number[] = [];
    for (let i = 0; i < 8; i++) models.push(await model(client));
    expect(await ask(client, OPERATION.upload, 0, upload(1, 1))).toMatchObject({ status: STATUS.busy });
    expect(await ask(client, OPERATION.run, models[0], text('x'.repeat(100)), 50)).toMatchObject({ status: STATUS.noRoom, needed: 124 });
  });

  it('has the models of a folder, and no other files', async () => {
    const server = new InferenceServer({ backend: new FakeInference(), limits: { memoryBytes: 1 << 20, milliseconds: 1000 }, folder });
    const client = server.client();
    const list = await ask(client, OPERATION.list);
    expect(new TextDecoder().decode(list.body)).toBe('large.onnx\t1048577\none.onnx\t3\n');
    const opened = await ask(client, OPERATION.open, 0, text('one.onnx'));
    expect(opened.status).toBe(STATUS.ok);
    expect(client.saved()).toEqual([{ handle: opened.handle, name: 'one.onnx' }]);
    const outside = `../${path.split('/').at(-1)}.onnx`;
    for (const name of [
      '',
      'secret.txt',
      'link.onnx',
      'sub.onnx',
      'sub.onnx/two.onnx',
      outside,
      '../../etc/passwd',
      `${path}/one.onnx`,
      'one.onnx\0',
    ])
      expect(await ask(client, OPERATION.open, 0, text(name)), name).toMatchObject({ status: STATUS.notFound });
    expect(await ask(client, OPERATION.open, 0, text('large.onnx'))).toMatchObject({ status: STATUS.tooLarge });
    // In another machine it is opened when it is wanted.
    const other = server.client();
    other.restore({ handle: 77, name: 'one.onnx' });
    expect(await ask(other, OPERATION.run, 77, text('abc'))).toMatchObject({ status: STATUS.ok, length: 3 });
  });

  it('gives up a model that is being opened when its program leaves', async () => {
    let ended = false;
    const backend = new FakeInference();
    const slow = Object.assign(backend, {
      open: (_: Uint8Array, signal?: AbortSignal) =>
        new Promise<never>((_resolve, reject) =>
          signal?.addEventListener('abort', () => {
            ended = true;
            reject(new Error('ended'));
          }),
        ),
    });
    const client = fakeInferenceServer(slow).client();
    const { handle } = await ask(client, OPERATION.upload, 0, upload(1, 9));
    const opening = ask(client, OPERATION.open, handle);
    await nextTurn();
    await client.close();
    expect(ended).toBe(true);
    expect(await opening).toMatchObject({ status: STATUS.failed });
  });
});

describe('requests in a stream', () => {
  it('may come in any pieces, and are answered by their numbers', async () => {
    const sent: Uint8Array[] = [];
    const stream = new InferenceStream(fakeInferenceServer().client(), async (...pieces) => void sent.push(...pieces));
    const bytes = Buffer.concat([1, 2, 3].map((id) => inferenceRequest({ operation: OPERATION.hello, id })));
    for (const byte of bytes) await stream.receive(Uint8Array.of(byte));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const { answers, rest } = inferenceAnswers(Buffer.concat(sent));
    expect(rest).toHaveLength(0);
    expect(answers.map(({ header }) => [header.operation, header.status, header.id])).toEqual([1, 2, 3].map((id) => [0x8001, 0, id]));
    expect(answers[0].body.readUInt32LE(0)).toBe(1);
    expect(answers[0].body.toString('utf8', 24)).toBe('fake');
  });

  it.each([0, 23, MESSAGE_MAX + 1, 0xffff_ffff])('end where one has %i bytes', async (length) => {
    const sent: Uint8Array[] = [];
    const stream = new InferenceStream(fakeInferenceServer().client(), async (...pieces) => void sent.push(...pieces));
    const wrong = inferenceRequest({ operation: OPERATION.hello });
    new DataView(wrong.buffer).setUint32(0, length, true);
    await stream.receive(wrong);
    await stream.receive(inferenceRequest({ operation: OPERATION.hello }));
    await nextTurn();
    const { answers } = inferenceAnswers(Buffer.concat(sent));
    expect(answers.map(({ header }) => header.status)).toEqual([STATUS.badMessage]);
  });

  it('wait while those before them have much to do, or nobody takes the answers', async () => {
    let take: () => void = () => undefined;
    let sent = 0;
    const stream = new InferenceStream(
      fakeInferenceServer().client(),
      () =>
        new Promise((resolve) => {
          sent++;
          take = resolve;
        }),
    );
    const request = inferenceRequest({ operation: OPERATION.hello, room: MESSAGE_MAX });
    const held = stream.receive(Buffer.concat([request, request, request]));
    expect(held).toBeInstanceOf(Promise);
    for (let turn = 1; turn <= 3; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(sent).toBe(turn);
      take();
    }
    await held;
  });
});
