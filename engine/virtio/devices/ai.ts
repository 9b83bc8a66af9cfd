import { z } from 'zod';
import { type InferenceClient, type InferenceServer, without } from '../../backend/inference/inference-server';
import { answerTo } from '../../backend/inference/inference-stream';
import { HEADER_BYTES, INFERENCE_VERSION, MESSAGE_MAX, OPERATION, readHeader, STATUS, writeHeader } from '../../backend/inference/message';
import { DeviceState, unsigned } from '../../bus/device-state';
import { DeviceError } from '../../errors/vm-error';
import { VirtioDevice } from '../device';
import type { DescriptorChain } from '../queue';

const QUEUE_SIZE = 128;
/** Programs that have the device open at the same time. */
export const CLIENTS_MAX = 64;
/** Before the message: the number of the client, and four bytes that are 0. */
const PREFIX_BYTES = 8;

const stateSchema = z.strictObject({
  clients: z.array(
    z.strictObject({ client: unsigned(32), models: z.array(z.strictObject({ handle: unsigned(32), name: z.string().max(256) })).max(64) }),
  ),
});

export interface VirtioAiOptions {
  server: InferenceServer;
}

/**
 * Inference by the host: docs/ai.md. No device type of the specification does this. The number is one that nobody has, and of the highest that Linux takes for
 * virtio devices on PCI (0x1000 to 0x107f); those that QEMU's list keeps for experiments, 0x10f0 to 0x10ff, it does not. The driver is resources/guest/modules/hartbox_ai.c.
 *
 * One queue: a chain has a client's number and its request to be read, and room for the answer. Requests are answered as they are done.
 * Programs that the driver serves are told apart by their number; what they have goes with `leave`, or with a reset. Models that a guest has brought
 * are not part of a snapshot: their handles are unknown afterwards.
 */
export class VirtioAi extends VirtioDevice {
  readonly name = 'virtio-ai';
  readonly deviceId = 0x3e;
  /** Processing accelerator. */
  override readonly pciClass = 0x120000;
  readonly queueSizes = [QUEUE_SIZE];
  readonly #server: InferenceServer;
  readonly #clients = new Map<number, InferenceClient>();

  override readonly state = new DeviceState(this, {
    version: 1,
    schema: stateSchema,
    save: () => ({
      clients: [...this.#clients].map(([client, one]) => ({ client, models: one.saved() })).filter(({ models }) => models.length > 0),
    }),
    load: ({ clients }, refuse) => {
      if (clients.length > CLIENTS_MAX) refuse('it has too many clients');
      return () => {
        for (const { client, models } of clients) for (const model of models) this.client(client)?.restore(model);
      };
    },
  });

  constructor({ server }: VirtioAiOptions) {
    const config = new DataView(new ArrayBuffer(12));
    for (const [at, value] of [INFERENCE_VERSION, MESSAGE_MAX, CLIENTS_MAX].entries()) config.setUint32(4 * at, value, true);
    super([], config);
    this.#server = server;
  }

  protected override serve(index: number): void {
    for (let chain = this.take(index); chain; chain = this.take(index)) {
      const queue = this.queue(index);
      if (queue) this.respond(queue, chain, this.#answer(chain));
    }
  }

  protected override onReset(): void {
    for (const client of this.#clients.values()) void client.close();
    this.#clients.clear();
  }

  /** Undefined where there are as many as there may be. */
  protected client(number: number): InferenceClient | undefined {
    const known = this.#clients.get(number);
    if (known || this.#clients.size >= CLIENTS_MAX) return known;
    const client = this.#server.client();
    this.#clients.set(number, client);
    return client;
  }

  async #answer({ readable, writable }: DescriptorChain): Promise<number> {
    const front = PREFIX_BYTES + HEADER_BYTES;
    if (readable.length < front || writable.length < HEADER_BYTES)
      throw DeviceError.InvalidParameter(
        `A request has ${readable.length} bytes, and room for ${writable.length} of an answer; it needs ${front} and ${HEADER_BYTES}.`,
      );
    const head = readable.slice(0, front).toBytes();
    const number = new DataView(head.buffer).getUint32(0, true);
    const header = readHeader(head.subarray(PREFIX_BYTES));
    const isWhole = header.length === readable.length - PREFIX_BYTES && header.length <= MESSAGE_MAX;
    const client = isWhole ? this.client(number) : undefined;
    const target = { pieces: writable.views(), at: HEADER_BYTES };
    const reply = client
      ? await client.answer(header, without(readable.views(), front), target)
      : refusal(isWhole ? STATUS.busy : STATUS.badMessage, header.handle);
    if (header.operation === OPERATION.leave && this.#clients.get(number) === client) this.#clients.delete(number);
    const { status, handle, needed, body } = reply;
    // The text of an error is cut where there is no room for it.
    const length = Math.min(reply.length, writable.length - HEADER_BYTES);
    writable.copyFrom(writeHeader({ ...answerTo(header, HEADER_BYTES + length), status, handle, room: needed }));
    if (body) writable.copyFrom(body.subarray(0, length), HEADER_BYTES);
    else writable.slice(0, HEADER_BYTES + length).wrote();
    return HEADER_BYTES + length;
  }
}

function refusal(status: number, handle: number): Awaited<ReturnType<InferenceClient['answer']>> {
  const text =
    status === STATUS.busy
      ? `${CLIENTS_MAX} programs use the device already.`
      : `The length in the header is not that of the request, or more than ${MESSAGE_MAX} bytes.`;
  const body = new TextEncoder().encode(text);
  return { status: status as typeof STATUS.busy, handle, needed: 0, length: body.length, body };
}
