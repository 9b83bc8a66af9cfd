import type { AudioBackend, Playback, Recording } from '../../../backend/audio/audio-backend';
import { type AudioFormat, frameBytes } from '../../../backend/audio/sample-format';
import type { DescriptorChain, Virtqueue } from '../../queue';
import { BAD_MSG, FORMATS, type INPUT, IO_ERR, NOT_SUPP, OK, OUTPUT, RATES, STATUS_BYTES, TRANSFER_HEADER_BYTES } from './protocol';

/** Most bytes of one buffer; Linux's has 80 ms, of the widest format 2 MB. */
const BUFFER_MAX = 8 << 20;

/** What the driver has chosen, by the numbers of the specification. */
export interface StreamParameters {
  format: number;
  rate: number;
  channels: number;
}

/** idle: without parameters. set: with them. prepared: takes buffers. running: uses them as time goes by. stopped: keeps them. */
export type StreamState = 'idle' | 'set' | 'prepared' | 'running' | 'stopped';

/** A buffer that waits for its time. */
interface Transfer {
  chain: DescriptorChain;
  queue: Virtqueue;
  /** Of frames. */
  bytes: number;
  /** What is in it the back end has, ahead of its time. */
  isHandedOver?: boolean;
}

export interface StreamStatistics {
  direction: 'playback' | 'recording';
  state: StreamState;
  format: AudioFormat | undefined;
  /** Frames that were used since the device was made. */
  frames: number;
  /** How often the guest had no buffer when its time had come. */
  starved: number;
  /** How often this computer came so late that the clock was put back instead of making up for it. */
  late: number;
}

export interface StreamLimits {
  /** Bit masks, as the driver is told of them. */
  formats: number;
  rates: number;
  channels: { min: number; max: number };
}

/**
 * A stream of frames to or from the guest. Buffers are given back at the moment when a loudspeaker or a microphone would be through with them,
 * by a clock that runs while the stream does, and what is played is handed over as long before as the back end wants it; what a late timer has missed is made up for, up to a buffer's length.
 */
export class Stream {
  state: StreamState = 'idle';
  parameters: StreamParameters | undefined;
  /** The oldest first. */
  readonly #waiting: Transfer[] = [];
  #playback: Playback | undefined;
  #recording: Recording | undefined;
  /** When, and how many bytes before the next buffer: undefined while there is none. */
  #since: { at: number; bytes: number } | undefined;
  #frames = 0;
  #starved = 0;
  #late = 0;

  constructor(
    readonly direction: typeof OUTPUT | typeof INPUT,
    readonly limits: StreamLimits,
    private readonly backend: AudioBackend,
  ) {}

  get format(): AudioFormat | undefined {
    const { parameters } = this;
    const samples = parameters && FORMATS[parameters.format];
    return parameters && samples && { samples, rate: RATES[parameters.rate], channels: parameters.channels };
  }

  get statistics(): StreamStatistics {
    const { state, format } = this;
    return {
      direction: this.direction === OUTPUT ? 'playback' : 'recording',
      state,
      format,
      frames: this.#frames,
      starved: this.#starved,
      late: this.#late,
    };
  }

  // What requests do, and their answers (§5.14.6.6.1).

  setParameters(parameters: StreamParameters, features: number): number {
    const { format, rate, channels } = parameters;
    const { limits } = this;
    if (features !== 0 || format > 31 || rate > 31 || !(limits.formats & (1 << format)) || !(limits.rates & (1 << rate))) return NOT_SUPP;
    if (channels < limits.channels.min || channels > limits.channels.max) return NOT_SUPP;
    if (this.state === 'running' || this.state === 'stopped') return BAD_MSG;
    this.release();
    this.parameters = parameters;
    this.state = 'set';
    return OK;
  }

  prepare(): number {
    if (this.state !== 'set' && this.state !== 'prepared') return BAD_MSG;
    this.state = 'prepared';
    return OK;
  }

  start(now: number): number {
    const { format } = this;
    if ((this.state !== 'prepared' && this.state !== 'stopped') || !format) return BAD_MSG;
    this.state = 'running';
    if (this.direction === OUTPUT) this.#playback ??= this.backend.play(format);
    else this.#recording ??= this.backend.record(format);
    this.#since = this.#waiting.length > 0 ? { at: now, bytes: 0 } : undefined;
    return OK;
  }

  stop(): number {
    if (this.state !== 'running') return BAD_MSG;
    this.state = 'stopped';
    this.#since = undefined;
    this.#playback?.rest();
    return OK;
  }

  /** Gives all buffers back; the request is answered after that (§5.14.6.6.5). */
  release(): number {
    if (this.state === 'idle') return BAD_MSG;
    this.flush();
    this.#close();
    this.state = 'set';
    return OK;
  }

  /** A buffer of the driver's, of which the status is the last. */
  add(chain: DescriptorChain, queue: Virtqueue, now: number): void {
    const { readable, writable } = chain;
    const bytes = this.direction === OUTPUT ? readable.length - TRANSFER_HEADER_BYTES : writable.length - STATUS_BYTES;
    const { format } = this;
    if (!format || this.state === 'idle' || this.state === 'set' || bytes > BUFFER_MAX || bytes % frameBytes(format) !== 0) {
      complete({ chain, queue, bytes: 0 }, IO_ERR);
      return;
    }
    this.#waiting.push({ chain, queue, bytes });
    if (this.state === 'running') this.#since ??= { at: now, bytes: 0 };
  }

  /** When there is something to do next; undefined where nothing is. */
  get due(): number | undefined {
    const [end, begin] = [this.#end, this.#begin];
    return end !== undefined && begin !== undefined ? Math.min(end, begin) : (end ?? begin);
  }

  /** When the next buffer has been used. */
  get #end(): number | undefined {
    const [first] = this.#waiting;
    return this.state === 'running' && this.#since && first ? this.#since.at + this.#duration(this.#since.bytes + first.bytes) : undefined;
  }

  /** When the next buffer to be played is to be handed over. */
  get #begin(): number | undefined {
    if (this.state !== 'running' || !this.#since || this.direction !== OUTPUT) return undefined;
    let { bytes } = this.#since;
    for (const transfer of this.#waiting) {
      if (!transfer.isHandedOver) return this.#since.at + this.#duration(bytes) - this.backend.lead;
      bytes += transfer.bytes;
    }
    return undefined;
  }

  /** The machine stands still for a while. */
  rest(): void {
    if (this.state === 'running') this.#playback?.rest();
  }

  #handOver(now: number): void {
    for (let begin = this.#begin; begin !== undefined && begin <= now; begin = this.#begin) {
      const next = this.#waiting.find(({ isHandedOver }) => !isHandedOver);
      if (next) this.#play(next);
    }
  }

  /** Use and give back what is due. */
  advance(now: number): void {
    this.#handOver(now);
    for (let due = this.#end; due !== undefined && due <= now; due = this.#end) {
      const since = this.#since as { at: number; bytes: number };
      const transfer = this.#waiting.shift() as Transfer;
      const late = now - due;
      if (late > this.#duration(transfer.bytes)) {
        since.at += late;
        this.#late++;
      }
      since.bytes += transfer.bytes;
      this.#frames += transfer.bytes / this.#unit;
      this.#use(transfer);
      complete(transfer, OK);
      if (this.#waiting.length > 0) {
        this.#handOver(now);
        continue;
      }
      this.#since = undefined;
      this.#starved++;
      this.#playback?.rest();
    }
  }

  /** So long nothing was to be heard: the machine was paused. */
  shift(milliseconds: number): void {
    if (this.#since) this.#since.at += milliseconds;
  }

  /** Use and give back everything at once: the device goes to sleep, or the driver wants it. */
  flush(): void {
    for (const transfer of this.#waiting.splice(0)) {
      if (this.state === 'running') this.#use(transfer);
      complete(transfer, OK);
    }
    this.#since = undefined;
  }

  /** The device was reset: buffers are the driver's again. */
  reset(): void {
    for (const { chain, queue } of this.#waiting.splice(0)) queue.complete(chain, 0);
    this.#close();
    this.#since = undefined;
    this.parameters = undefined;
    this.state = 'idle';
  }

  /** A queue is reset: its buffers are the driver's again. */
  forget(queue: Virtqueue): void {
    const mine = this.#waiting.filter((one) => one.queue === queue);
    for (const transfer of mine) {
      this.#waiting.splice(this.#waiting.indexOf(transfer), 1);
      queue.complete(transfer.chain, 0);
    }
    if (this.#waiting.length === 0) this.#since = undefined;
  }

  #play(transfer: Transfer): void {
    transfer.isHandedOver = true;
    for (const view of transfer.chain.readable.views(TRANSFER_HEADER_BYTES)) this.#playback?.play(view);
  }

  #use(transfer: Transfer): void {
    if (this.direction === OUTPUT) {
      if (!transfer.isHandedOver) this.#play(transfer);
      return;
    }
    const { chain, bytes } = transfer;
    const { format } = this;
    if (!format) return;
    // A piece of guest memory may end in the middle of a frame.
    const heard = new Uint8Array(bytes);
    this.#recording?.record(heard);
    chain.writable.copyFrom(heard);
  }

  #close(): void {
    this.#playback?.end();
    this.#recording?.end();
    this.#playback = undefined;
    this.#recording = undefined;
  }

  get #unit(): number {
    const { format } = this;
    return format ? frameBytes(format) : 1;
  }

  #duration(bytes: number): number {
    const { format } = this;
    return format ? ((bytes / frameBytes(format)) * 1000) / format.rate : 0;
  }
}

/** Its status is at its end; how much of a recording there is follows from how much was written. */
export function complete({ chain, queue, bytes }: Transfer, status: number): void {
  const { writable } = chain;
  const answer = new DataView(new ArrayBuffer(STATUS_BYTES));
  answer.setUint32(0, status, true);
  const at = Math.max(0, writable.length - STATUS_BYTES);
  const written = writable.copyFrom(new Uint8Array(answer.buffer), at);
  const isRecording = at > 0 && status === OK;
  queue.complete(chain, isRecording ? Math.min(bytes + written, writable.length) : written);
}

/** A mask of those numbers whose values are wanted. */
export function maskOf<Value>(all: readonly (Value | undefined)[], wanted: readonly Value[] | undefined): number {
  let mask = 0;
  for (const [number, value] of all.entries()) if (value !== undefined && (!wanted || wanted.includes(value))) mask |= 1 << number;
  return mask;
}
