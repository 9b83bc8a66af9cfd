import type { InferenceBackend, InferenceLimits, OpenModel, ResultRoom } from './inference-backend';
import {
  HEADER_BYTES,
  type Header,
  INFERENCE_VERSION,
  InferenceError,
  lengthOf,
  MESSAGE_MAX,
  OPERATION,
  putInto,
  STATUS,
  type Status,
} from './message';
import type { ModelFolder } from './model-folder';
import { describeModel } from './tensors';

/** Models and uploads of all guests' programs together, each with a worker or memory of its own. */
const THINGS_MAX = 8;
const NAME_BYTES_MAX = 1024;
const MiB = 1 << 20;

export interface InferenceServerOptions {
  backend: InferenceBackend;
  limits: InferenceLimits;
  /** Models of the host; undefined: only those that guests bring. */
  folder?: ModelFolder | undefined;
}

/** How a request went. */
export interface InferenceReply {
  status: Status;
  handle: number;
  /** With STATUS.noRoom: bytes of the whole answer. */
  needed: number;
  /** Bytes of the body, and the body, unless it is already where it was to go. */
  length: number;
  body: Uint8Array | undefined;
}

/** What a client has: a model, or one that is still coming. */
interface Thing {
  client: InferenceClient;
  upload?: { bytes: Uint8Array<ArrayBuffer>; received: number };
  /** A model of the folder, by which it can be opened again. */
  name?: string | undefined;
  model?: Promise<OpenModel>;
  /** Ends its opening. */
  opening?: AbortController;
}

/** A model that goes on in another machine. */
export interface SavedModel {
  client: number;
  handle: number;
  name: string;
}

/**
 * What a machine offers its guest by way of inference, over whatever its messages come: docs/ai.md. Programs of the guest are clients, and
 * see nothing of each other's models.
 */
export class InferenceServer {
  readonly #things = new Map<number, Thing>();
  #next = 1;

  constructor(private readonly options: InferenceServerOptions) {}

  client(): InferenceClient {
    return new InferenceClient(this);
  }

  /** Bytes of models that are being uploaded. */
  get #uploading(): number {
    let sum = 0;
    for (const { upload } of this.#things.values()) sum += upload?.bytes.length ?? 0;
    return sum;
  }

  get hello(): Uint8Array {
    const { backend, limits } = this.options;
    const name = new TextEncoder().encode(backend.name);
    const body = new Uint8Array(24 + name.length);
    const view = new DataView(body.buffer);
    view.setUint32(0, INFERENCE_VERSION, true);
    view.setUint32(4, MESSAGE_MAX, true);
    view.setUint32(8, Math.floor(limits.memoryBytes / MiB), true);
    view.setUint32(12, THINGS_MAX, true);
    view.setUint32(16, limits.milliseconds, true);
    body.set(name, 24);
    return body;
  }

  async list(): Promise<Uint8Array> {
    const text = (await this.options.folder?.list().catch(() => '')) ?? '';
    return new TextEncoder().encode(text);
  }

  /** Throws InferenceError. */
  beginUpload(client: InferenceClient, bytes: number): number {
    const { memoryBytes } = this.options.limits;
    if (!(bytes > 0 && bytes + this.#uploading <= memoryBytes))
      throw new InferenceError(
        STATUS.tooLarge,
        `A model of ${bytes} bytes is more than the ${memoryBytes} that there are for models on their way.`,
      );
    return this.#add({ client, upload: { bytes: new Uint8Array(bytes), received: 0 } });
  }

  upload(client: InferenceClient, handle: number, offset: number, pieces: readonly Uint8Array[]): void {
    const { upload } = this.#find(client, handle);
    if (!upload) throw new InferenceError(STATUS.notFound, `${handle} is a model, to which nothing can be added.`);
    const length = lengthOf(pieces);
    if (offset !== upload.received || offset + length > upload.bytes.length)
      throw new InferenceError(
        STATUS.badMessage,
        `${length} bytes from ${offset} on do not fit: ${upload.received} of ${upload.bytes.length} are here.`,
      );
    let at = offset;
    for (const piece of pieces) {
      upload.bytes.set(piece, at);
      at += piece.length;
    }
    upload.received = at;
  }

  /** The model of an upload, which it takes the place of, or of a name. */
  async open(client: InferenceClient, handle: number, name: string): Promise<{ handle: number; body: Uint8Array }> {
    const number = handle === 0 ? this.#add({ client, name }) : handle;
    const thing = this.#find(client, number);
    if (thing.model) throw new InferenceError(STATUS.badMessage, `${handle} is a model already.`);
    try {
      const { upload } = thing;
      if (upload && upload.received !== upload.bytes.length)
        throw new InferenceError(STATUS.badMessage, `Only ${upload.received} bytes of the model's ${upload.bytes.length} have come.`);
      delete thing.upload;
      thing.model = upload ? this.#start(thing, (signal) => this.options.backend.open(upload.bytes, signal)) : this.#openNamed(thing, name);
      const { inputs, outputs } = await thing.model;
      return { handle: number, body: describeModel(inputs, outputs) };
    } catch (error) {
      this.#things.delete(number);
      throw error;
    }
  }

  async run(
    client: InferenceClient,
    handle: number,
    pieces: readonly Uint8Array[],
    room: ResultRoom,
  ): Promise<{ length: number; body?: Uint8Array }> {
    const thing = this.#find(client, handle);
    // After a snapshot: models of the folder come back when they are wanted.
    if (thing.name !== undefined) thing.model ??= this.#openNamed(thing, thing.name);
    if (!thing.model) throw new InferenceError(STATUS.badMessage, `${handle} is an upload: open it first.`);
    const model = await thing.model;
    try {
      return await model.run(pieces, room);
    } catch (error) {
      const isLost = error instanceof InferenceError && [STATUS.timeout, STATUS.gone].some((status) => status === error.status);
      if (isLost) this.#things.delete(handle);
      throw error;
    }
  }

  async remove(client: InferenceClient, handle: number): Promise<void> {
    const thing = this.#find(client, handle);
    this.#things.delete(handle);
    await this.#end(thing);
  }

  async removeAll(client: InferenceClient): Promise<void> {
    const own = [...this.#things].filter(([, thing]) => thing.client === client);
    for (const [handle] of own) this.#things.delete(handle);
    await Promise.all(own.map(([, thing]) => this.#end(thing)));
  }

  /** Models of the folder that a client has. */
  saved(client: InferenceClient): Omit<SavedModel, 'client'>[] {
    return [...this.#things].flatMap(([handle, thing]) =>
      thing.client === client && thing.name !== undefined ? [{ handle, name: thing.name }] : [],
    );
  }

  restore(client: InferenceClient, { handle, name }: Omit<SavedModel, 'client'>): void {
    this.#things.set(handle, { client, name });
    this.#next = Math.max(this.#next, handle + 1);
  }

  async close(): Promise<void> {
    this.#things.clear();
    await this.options.backend.close();
    await this.options.folder?.close();
  }

  #add(thing: Thing): number {
    if (this.#things.size >= THINGS_MAX)
      throw new InferenceError(STATUS.busy, `There are ${THINGS_MAX} models and uploads already: close one first.`);
    while (this.#next === 0 || this.#things.has(this.#next)) this.#next = (this.#next + 1) >>> 0;
    const handle = this.#next;
    this.#next = (this.#next + 1) >>> 0;
    this.#things.set(handle, thing);
    return handle;
  }

  #find(client: InferenceClient, handle: number): Thing {
    const thing = this.#things.get(handle);
    if (thing?.client === client) return thing;
    throw new InferenceError(STATUS.notFound, `There is no model ${handle}: it was closed, or never opened.`);
  }

  #openNamed(thing: Thing, name: string): Promise<OpenModel> {
    const { folder, backend, limits } = this.options;
    if (!folder) throw new InferenceError(STATUS.notFound, 'The host has allowed no folder of models: bring one along.');
    return this.#start(thing, async (signal) => backend.open(await folder.read(name, limits.memoryBytes), signal));
  }

  #start(thing: Thing, open: (signal: AbortSignal) => Promise<OpenModel>): Promise<OpenModel> {
    const opening = new AbortController();
    thing.opening = opening;
    const model = open(opening.signal);
    model.catch(() => undefined);
    return model;
  }

  async #end({ model, opening }: Thing): Promise<void> {
    opening?.abort();
    await model?.then(
      (ready) => ready.close(),
      () => undefined,
    );
  }
}

/** One program of the guest. */
export class InferenceClient {
  constructor(private readonly server: InferenceServer) {}

  /** Do what a message asks for, whose body lies in `pieces`. Never throws. */
  async answer({ operation, handle, room }: Header, pieces: readonly Uint8Array[], target?: ResultRoom): Promise<InferenceReply> {
    try {
      const { handle: given = handle, length, body } = await this.#do(operation, handle, pieces, target ?? { bytes: room - HEADER_BYTES });
      const most = target && 'pieces' in target ? lengthOf(target.pieces) : room;
      const bytes = length ?? body?.length ?? 0;
      if (HEADER_BYTES + bytes > most)
        throw new InferenceError(STATUS.noRoom, `The answer has ${HEADER_BYTES + bytes} bytes, and there is room for ${most}.`, bytes);
      return { status: STATUS.ok, handle: given, needed: 0, length: bytes, body };
    } catch (error) {
      const known = error instanceof InferenceError ? error : new InferenceError(STATUS.failed, `The host failed: ${String(error)}`);
      const text = new TextEncoder().encode(known.message.slice(0, 1000));
      return {
        status: known.status,
        handle,
        needed: known.status === STATUS.noRoom ? HEADER_BYTES + known.needed : 0,
        length: text.length,
        body: text,
      };
    }
  }

  /** All that it has is given up. Resolves when nothing touches memory of its requests any more. */
  close(): Promise<void> {
    return this.server.removeAll(this);
  }

  saved(): ReturnType<InferenceServer['saved']> {
    return this.server.saved(this);
  }

  restore(model: Omit<SavedModel, 'client'>): void {
    this.server.restore(this, model);
  }

  async #do(
    operation: number,
    handle: number,
    pieces: readonly Uint8Array[],
    room: ResultRoom,
  ): Promise<{ handle?: number; length?: number; body?: Uint8Array | undefined }> {
    const { server } = this;
    switch (operation) {
      case OPERATION.hello:
        return { body: server.hello };
      case OPERATION.list:
        return { body: await server.list() };
      case OPERATION.upload: {
        const head = new DataView(firstBytes(pieces, 8).buffer);
        const number = head.getUint32(0, true) + head.getUint32(4, true) * 0x1_0000_0000;
        const upload = handle === 0 ? server.beginUpload(this, number) : handle;
        server.upload(this, upload, handle === 0 ? 0 : number, without(pieces, 8));
        return { handle: upload };
      }
      case OPERATION.open: {
        const name = handle === 0 ? new TextDecoder().decode(firstBytes(pieces, Math.min(lengthOf(pieces), NAME_BYTES_MAX))) : '';
        return server.open(this, handle, name);
      }
      case OPERATION.run:
        return server.run(this, handle, pieces, room);
      case OPERATION.close:
        await server.remove(this, handle);
        return {};
      case OPERATION.leave:
        await this.close();
        return {};
      default:
        throw new InferenceError(STATUS.unsupported, `There is no operation ${operation}.`);
    }
  }
}

function firstBytes(pieces: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  if (lengthOf(pieces) < length) throw new InferenceError(STATUS.badMessage, `The message has fewer than ${HEADER_BYTES + length} bytes.`);
  let at = 0;
  for (const piece of pieces) at += putInto([bytes], at, piece.subarray(0, length - at));
  return bytes;
}

/** What is behind the first bytes, in the same memory. */
export function without(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let skip = bytes;
  for (const piece of pieces) {
    if (skip < piece.length) rest.push(piece.subarray(skip));
    skip = Math.max(0, skip - piece.length);
  }
  return rest;
}
