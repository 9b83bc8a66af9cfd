import { Mixer, RATE } from './mixer';
import type { FromWorklet, ToWorklet } from './sound-messages';

// What there is in an AudioWorkletGlobalScope.
declare const currentFrame: number;
declare const registerProcessor: (name: string, processor: new () => unknown) => void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

/** Frames from one report to the next. */
const REPORT = RATE / 20;
/** Frames of a piece of what the microphone hears. */
const PIECE = 960;

/** Plays the streams of one box, and hands on what the microphone hears. */
class SoundProcessor extends AudioWorkletProcessor {
  readonly #mixer = new Mixer();
  #reported = 0;
  #voice = new Float32Array(PIECE);
  #heard = 0;
  #isListening = false;
  #isOver = false;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<ToWorklet>) => {
      switch (data.type) {
        case 'frames':
          this.#mixer.take(data.stream, data.samples);
          break;
        case 'rest':
          this.#mixer.rest(data.stream);
          break;
        case 'listen':
          this.#isListening = data.isOn;
          this.#heard = 0;
          break;
        case 'end':
          this.#isOver = true;
      }
    };
  }

  process([input]: Float32Array[][], [[left, right]]: Float32Array[][]): boolean {
    this.#mixer.render(left, right);
    const frame = currentFrame + left.length;
    if (frame - this.#reported >= REPORT) {
      this.#reported = frame;
      this.#post({ type: 'clock', frames: frame, ...this.#mixer.state });
    }
    if (this.#isListening && input.length > 0) this.#listen(input[0]);
    return !this.#isOver;
  }

  #listen(samples: Float32Array): void {
    for (const sample of samples) {
      this.#voice[this.#heard++] = sample;
      if (this.#heard < PIECE) continue;
      this.#post({ type: 'voice', samples: this.#voice }, [this.#voice.buffer]);
      this.#voice = new Float32Array(PIECE);
      this.#heard = 0;
    }
  }

  #post(message: FromWorklet, transfer: Transferable[] = []): void {
    this.port.postMessage(message, transfer);
  }
}

registerProcessor('hartbox-sound', SoundProcessor);
