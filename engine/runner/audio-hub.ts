import { LIVE_RATE, type LiveAudio, type LiveListener } from '../backend/audio/live-audio';
import { AUDIO_MESSAGE, AUDIO_WINDOW, type AudioMessage, listeningSchema } from './audio-channel';
import type { Connection } from './channel';

/** Frames that a message counts for at least, so that many small ones are not too many. */
const FRAMES_MIN = 480;
const FRAME_BYTES = 8;

/** Joins what a box plays and records with those who listen. */
export class AudioHub {
  #audio: LiveAudio | undefined;
  readonly #listeners = new Set<Listener>();

  /** `audio` is undefined for a machine that makes no sound. */
  attach(audio: LiveAudio | undefined): void {
    this.#audio = audio;
    for (const listener of this.#listeners) listener.attach(audio);
  }

  /** Somebody comes to listen, and stays until the connection closes. */
  connect(connection: Connection): void {
    const listener = new Listener(connection);
    this.#listeners.add(listener);
    connection.on('message', ({ data }) => {
      const message = listeningSchema.safeParse(data);
      if (!message.success || !this.#listeners.has(listener)) return;
      switch (message.data.type) {
        case 'heard':
          listener.acknowledge();
          break;
        case 'clock':
          this.#audio?.clock.report(listener, (message.data.frames / LIVE_RATE) * 1000);
          break;
        case 'voice':
          this.#audio?.hear(floatsOf(message.data.data));
          break;
      }
    });
    connection.on('close', () => {
      if (this.#listeners.delete(listener)) listener.leave();
    });
    connection.start();
    listener.attach(this.#audio);
  }
}

/** One who listens. */
class Listener implements LiveListener {
  #leave: (() => void) | undefined;
  /** What each message that is not answered counts for. */
  readonly #underWay: number[] = [];
  #frames = 0;
  /** What could not be told for now: streams that rest, and whether the guest records. */
  readonly #resting = new Set<number>();
  #recording: boolean | undefined;

  constructor(private readonly connection: Connection<AudioMessage>) {}

  attach(audio: LiveAudio | undefined): void {
    this.#leave?.();
    this.#leave = audio?.listen(this);
  }

  leave(): void {
    this.attach(undefined);
  }

  acknowledge(): void {
    this.#frames -= this.#underWay.shift() ?? 0;
    this.#tell();
  }

  play(stream: number, frames: Float32Array): void {
    this.#resting.delete(stream);
    const bytes = new Uint8Array(frames.buffer, frames.byteOffset, frames.byteLength);
    for (let at = 0; at < bytes.length; at += AUDIO_MESSAGE)
      // Posting a part of a buffer would clone the whole.
      this.#send({ type: 'frames', stream, data: bytes.slice(at, at + AUDIO_MESSAGE) });
  }

  rest(stream: number): void {
    this.#resting.add(stream);
    this.#tell();
  }

  recording(isOn: boolean): void {
    this.#recording = isOn;
    this.#tell();
  }

  /** As far as there is room. */
  #tell(): void {
    for (const stream of this.#resting) if (this.#send({ type: 'rest', stream })) this.#resting.delete(stream);
    if (this.#recording !== undefined && this.#send({ type: 'recording', isOn: this.#recording })) this.#recording = undefined;
  }

  #send(message: AudioMessage): boolean {
    if (this.#frames >= AUDIO_WINDOW) return false;
    const frames = message.type === 'frames' ? Math.max(FRAMES_MIN, message.data.length / FRAME_BYTES) : FRAMES_MIN;
    this.#underWay.push(frames);
    this.#frames += frames;
    this.connection.postMessage(message);
    return true;
  }
}

function floatsOf(data: Uint8Array): Float32Array {
  const { buffer, byteOffset, length } = data;
  return byteOffset % 4 === 0 ? new Float32Array(buffer, byteOffset, length / 4) : new Float32Array(data.slice().buffer);
}
