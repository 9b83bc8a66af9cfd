import { z } from 'zod';
import { DeviceState, unsigned } from '../../../bus/device-state';
import { type AudioBackend, SilentAudio } from '../../../backend/audio/audio-backend';
import { DeviceError } from '../../../errors/vm-error';
import type { ScatterGatherList } from '../../../memory/scatter-gather-list';
import { VirtioDevice } from '../../device';
import type { DescriptorChain } from '../../queue';
import {
  BAD_MSG,
  CHANNEL_MAPS,
  CHMAP_INFO,
  CONTROL_QUEUE,
  EVENT_QUEUE,
  FORMATS,
  INPUT,
  IO_ERR,
  JACK_CAPABILITIES,
  JACK_CONNECTED,
  JACK_DISCONNECTED,
  JACK_INFO,
  JACKS,
  NOT_SUPP,
  OK,
  OUTPUT,
  PCM_INFO,
  PCM_PREPARE,
  PCM_RELEASE,
  PCM_SET_PARAMS,
  PCM_START,
  PCM_STOP,
  RATES,
  TRANSFER_HEADER_BYTES,
  TX_QUEUE,
} from './protocol';
import { complete, maskOf, Stream, type StreamState, type StreamStatistics } from './stream';

/** A device has so many streams of each direction at most. */
const STREAMS_MAX = 8;
/** Of one item of information that a driver asks for: the largest has 32 bytes. */
const ITEM_BYTES_MAX = 256;
/** What events wait that no buffer is there for: of each jack the last. */
const STATES = ['idle', 'set', 'prepared', 'running', 'stopped'] as const satisfies StreamState[];

export interface VirtioSoundOptions {
  /** Where sound goes and comes from; nowhere unless given. */
  backend?: AudioBackend;
  /** Streams to play, and to record, at the same time: 2 and 1 unless given. */
  playback?: number;
  recording?: number;
  /** Call back once, after so many milliseconds; what is returned calls it off. */
  later?: (work: () => void, milliseconds: number) => () => void;
}

const parametersSchema = z.strictObject({ format: unsigned(5), rate: unsigned(5), channels: unsigned(8) });

/**
 * The sound device (virtio 1.3 §5.14): streams to play and to record, a jack for loudspeakers and one for a microphone, and maps of channels. It
 * keeps the time itself: a buffer is given back when its samples would have been heard, whatever the back end does with them. It has no
 * control elements, and no shared memory.
 */
export class VirtioSound extends VirtioDevice {
  readonly name = 'virtio-snd';
  readonly deviceId = 25;
  override readonly pciClass = 0x040100;
  readonly queueSizes = [64, 64, 64, 64];
  readonly #streams: readonly Stream[];
  readonly #later: (work: () => void, milliseconds: number) => () => void;
  readonly #backend: AudioBackend;
  readonly #plugged = JACKS.map(() => true);
  /** Jacks that the driver has to be told of. */
  readonly #untold = new Set<number>();
  #cancel: (() => void) | undefined;
  #pausedAt: number | undefined;

  /** What was in the way of being played when it was saved counts as played. */
  override readonly state = new DeviceState(this, {
    version: 1,
    schema: z.strictObject({
      streams: z.array(z.strictObject({ state: z.enum(STATES), parameters: parametersSchema.nullable() })),
      plugged: z.array(z.boolean()).length(JACKS.length),
    }),
    save: () => ({
      streams: this.#streams.map(({ state, parameters }) => ({ state, parameters: parameters ?? null })),
      plugged: [...this.#plugged],
    }),
    load: ({ streams, plugged }, refuse) => {
      if (streams.length !== this.#streams.length) refuse(`it has ${streams.length} streams, and this one has ${this.#streams.length}`);
      for (const [i, { state, parameters }] of streams.entries()) {
        if ((state === 'idle') !== (parameters === null)) refuse('a stream has parameters that were never set');
        if (
          parameters &&
          new Stream(this.#streams[i].direction, this.#streams[i].limits, this.#backend).setParameters(parameters, 0) !== OK
        )
          refuse('a stream has a format that is not to be had here');
      }
      return () => {
        for (const [i, { state, parameters }] of streams.entries()) {
          const stream = this.#streams[i];
          stream.reset();
          if (parameters) stream.setParameters(parameters, 0);
          if (state === 'running' || state === 'stopped') {
            stream.prepare();
            stream.start(this.#backend.now());
            if (state === 'stopped') stream.stop();
          } else stream.state = state;
        }
        for (const [jack, isPlugged] of plugged.entries()) this.#plugged[jack] = isPlugged;
      };
    },
  });

  constructor(options: VirtioSoundOptions = {}) {
    const { backend = new SilentAudio(), playback = 2, recording = 1, later = afterTimeout } = options;
    for (const count of [playback, recording]) {
      if (!(Number.isInteger(count) && count >= 0 && count <= STREAMS_MAX))
        throw DeviceError.InvalidParameter(`A sound device has 0 to ${STREAMS_MAX} streams of each direction, not ${count}.`);
    }
    const config = new DataView(new ArrayBuffer(16));
    config.setUint32(0, JACKS.length, true);
    config.setUint32(4, playback + recording, true);
    config.setUint32(8, 2 * CHANNEL_MAPS.length, true);
    super([], config);
    const heard = backend.recordingLimits;
    const channels = { min: 1, max: 8 };
    const output = { formats: maskOf(FORMATS, undefined), rates: maskOf(RATES, undefined), channels };
    const input = {
      formats: maskOf(FORMATS, heard?.samples),
      rates: maskOf(RATES, heard?.rates),
      channels: heard ? { min: heard.channels, max: heard.channels } : channels,
    };
    this.#streams = [
      ...Array.from({ length: playback }, () => new Stream(OUTPUT, output, backend)),
      ...Array.from({ length: recording }, () => new Stream(INPUT, input, backend)),
    ];
    this.#backend = backend;
    this.#later = later;
  }

  get streams(): StreamStatistics[] {
    return this.#streams.map((stream) => stream.statistics);
  }

  /** Put the plug into the jack of the loudspeakers or of the microphone, or pull it out; the guest is told. */
  plug(jack: 'loudspeakers' | 'microphone', isPlugged: boolean): void {
    const number = jack === 'loudspeakers' ? 0 : 1;
    if (this.#plugged[number] === isPlugged) return;
    this.#plugged[number] = isPlugged;
    this.#untold.add(number);
    this.enter(() => this.#tellOfJacks());
  }

  /** The machine is paused, or goes on: no time passes for its streams meanwhile. */
  setPaused(isPaused: boolean): void {
    const now = this.#backend.now();
    if (isPaused) {
      this.#pausedAt ??= now;
      for (const stream of this.#streams) stream.rest();
    } else if (this.#pausedAt !== undefined) {
      for (const stream of this.#streams) stream.shift(now - this.#pausedAt);
      this.#pausedAt = undefined;
    }
    this.#schedule();
  }

  override sleep(): ReturnType<VirtioDevice['sleep']> {
    if (this.isActive) for (const stream of this.#streams) stream.flush();
    this.#schedule();
    return super.sleep();
  }

  override detachQueue(index: number): Promise<void> | undefined {
    const queue = this.queue(index);
    if (queue) for (const stream of this.#streams) stream.forget(queue);
    return super.detachQueue(index);
  }

  protected override onReset(): void {
    for (const stream of this.#streams) stream.reset();
    this.#untold.clear();
    this.#schedule();
  }

  protected override serve(index: number): void {
    if (index === EVENT_QUEUE) {
      this.#tellOfJacks();
      return;
    }
    for (let chain = this.take(index); chain; chain = this.take(index)) {
      if (index === CONTROL_QUEUE) this.#control(chain);
      else this.#transfer(index, chain);
    }
    this.#schedule();
  }

  #transfer(index: number, chain: DescriptorChain): void {
    const queue = this.queue(index);
    if (!queue) return;
    const { readable } = chain;
    const stream = readable.length >= TRANSFER_HEADER_BYTES ? this.#streams.at(readable.readU32(0)) : undefined;
    if (stream?.direction === (index === TX_QUEUE ? OUTPUT : INPUT)) stream.add(chain, queue, this.#now);
    else complete({ chain, queue, bytes: 0 }, IO_ERR);
  }

  #control(chain: DescriptorChain): void {
    const { readable, writable } = chain;
    let written = 0;
    try {
      if (readable.length < 4) throw DeviceError.InvalidParameter(`A control message has at least 4 bytes, not ${readable.length}.`);
      const { status, items } = this.#answer(readable);
      const answer = new Uint8Array(4 + items.length);
      new DataView(answer.buffer).setUint32(0, status, true);
      answer.set(items, 4);
      written = writable.copyFrom(answer);
    } finally {
      this.queue(CONTROL_QUEUE)?.complete(chain, written);
    }
  }

  #answer(readable: ScatterGatherList): { status: number; items: Uint8Array } {
    const code = readable.readU32(0);
    switch (code) {
      case JACK_INFO:
        return describe(readable, JACKS.length, (jack) => this.#jackInfo(jack));
      case PCM_INFO:
        return describe(readable, this.#streams.length, (stream) => this.#streamInfo(this.#streams[stream]));
      case CHMAP_INFO:
        return describe(readable, 2 * CHANNEL_MAPS.length, channelMapInfo);
      default:
        return { status: this.#steer(code, readable), items: new Uint8Array(0) };
    }
  }

  /** What concerns one stream. */
  #steer(code: number, readable: ScatterGatherList): number {
    if (code < PCM_SET_PARAMS || code > PCM_STOP) return NOT_SUPP;
    if (readable.length < 8) return BAD_MSG;
    const stream = this.#streams.at(readable.readU32(4));
    if (!stream) return BAD_MSG;
    switch (code) {
      case PCM_SET_PARAMS: {
        if (readable.length < 24) return BAD_MSG;
        const [buffer, period, features] = [8, 12, 16].map((at) => readable.readU32(at));
        if (period === 0 || buffer % period !== 0) return BAD_MSG;
        return stream.setParameters({ channels: readable.readU8(20), format: readable.readU8(21), rate: readable.readU8(22) }, features);
      }
      case PCM_PREPARE:
        return stream.prepare();
      case PCM_RELEASE:
        return stream.release();
      case PCM_START:
        return stream.start(this.#now);
      default:
        return stream.stop();
    }
  }

  #jackInfo(jack: number): Uint8Array {
    const info = new DataView(new ArrayBuffer(24));
    info.setUint32(8, JACKS[jack].defaultConfiguration, true);
    info.setUint32(12, JACK_CAPABILITIES[jack], true);
    info.setUint8(16, this.#plugged[jack] ? 1 : 0);
    return new Uint8Array(info.buffer);
  }

  #streamInfo({ direction, limits }: Stream): Uint8Array {
    const info = new DataView(new ArrayBuffer(32));
    info.setUint32(8, limits.formats, true);
    info.setUint32(16, limits.rates, true);
    info.setUint8(24, direction);
    info.setUint8(25, limits.channels.min);
    info.setUint8(26, limits.channels.max);
    return new Uint8Array(info.buffer);
  }

  #tellOfJacks(): void {
    for (const jack of this.#untold) {
      const chain = this.take(EVENT_QUEUE);
      if (!chain) return;
      const event = new DataView(new ArrayBuffer(8));
      event.setUint32(0, this.#plugged[jack] ? JACK_CONNECTED : JACK_DISCONNECTED, true);
      event.setUint32(4, jack, true);
      this.#untold.delete(jack);
      this.queue(EVENT_QUEUE)?.complete(chain, chain.writable.copyFrom(new Uint8Array(event.buffer)));
    }
  }

  /** By the clock of the streams. */
  get #now(): number {
    return this.#pausedAt ?? this.#backend.now();
  }

  /** One timer, for the stream that is due next. */
  #schedule(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (!this.isActive || this.#pausedAt !== undefined) return;
    const next = Math.min(...this.#streams.map(({ due }) => due ?? Infinity));
    if (next === Infinity) return;
    this.#cancel = this.#later(
      () => {
        this.#cancel = undefined;
        this.enter(() => {
          for (const stream of this.#streams) stream.advance(this.#now);
        });
        this.#schedule();
      },
      Math.max(0, next - this.#backend.now()),
    );
  }
}

function afterTimeout(work: () => void, milliseconds: number): () => void {
  const timer = setTimeout(work, Math.ceil(milliseconds)).unref();
  return () => clearTimeout(timer);
}

/** The answer to a request for information on some of so many items (§5.14.6.1). */
function describe(readable: ScatterGatherList, count: number, info: (item: number) => Uint8Array): { status: number; items: Uint8Array } {
  const none = new Uint8Array(0);
  if (readable.length < 16) return { status: BAD_MSG, items: none };
  const [first, wanted, size] = [4, 8, 12].map((at) => readable.readU32(at));
  if (first + wanted > count || size === 0 || size > ITEM_BYTES_MAX) return { status: BAD_MSG, items: none };
  const items = new Uint8Array(wanted * size);
  // A driver of another time may know of shorter or longer items.
  for (let i = 0; i < wanted; i++) items.set(info(first + i).subarray(0, size), i * size);
  return { status: OK, items };
}

function channelMapInfo(number: number): Uint8Array {
  const map = CHANNEL_MAPS[number % CHANNEL_MAPS.length];
  const info = new Uint8Array(24);
  info[4] = number < CHANNEL_MAPS.length ? OUTPUT : INPUT;
  info[5] = map.length;
  info.set(map, 6);
  return info;
}
