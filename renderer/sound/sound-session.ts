import { shallowReadonly, shallowRef } from 'vue';
import type { AudioMessage } from '../../engine/runner/audio-channel';
import { BoxPort } from '../box-ports';
import { RATE } from './mixer';
import type { FromWorklet, ToWorklet } from './sound-messages';
import { soundOutput, useSoundOutput } from './sound-output';

/** How it goes with what a box plays. */
export interface SoundState {
  isPlaying: boolean;
  /** Milliseconds from the guest's memory to the loudspeakers. */
  delay: number;
  /** How often something came too late to be heard in time, since the window is there. */
  gaps: number;
}

interface Device {
  context: AudioContext;
  node: AudioWorkletNode;
  volume: GainNode;
}

/** Seconds in which the volume changes, so that nothing clicks. */
const FADE = 0.015;

/** A box's sound in the window: loudspeakers and microphone on one side, the channel to the box on the other. Lives as long as the window. */
export class SoundSession {
  readonly #state = shallowRef<SoundState>({ isPlaying: false, delay: 0, gaps: 0 });
  readonly state = shallowReadonly(this.#state);
  readonly port = new BoxPort<AudioMessage>((message) => this.#receive(message));
  #device: Promise<Device> | undefined;
  #gain = 1;
  #voice: MediaStream | undefined;
  #wantsVoice = false;

  constructor(
    /** Whether the guest wants to hear somebody. */
    private readonly onRecording: (isOn: boolean) => void,
  ) {}

  /** What was played so far is heard to its end. */
  disconnect(): void {
    this.port.disconnect();
    this.stopVoice();
    void this.#device?.then(({ node, volume }) => {
      this.#tell(node, { type: 'end' });
      setTimeout(() => volume.disconnect(), 1000);
    });
    this.#device = undefined;
    this.#state.value = { ...this.#state.value, isPlaying: false };
  }

  /** From 0 to 100. */
  setVolume(volume: number, muted: boolean): void {
    // As loud as it seems, more or less.
    this.#gain = muted ? 0 : (volume / 100) ** 2;
    void this.#device?.then(({ context, volume: { gain } }) => gain.setTargetAtTime(this.#gain, context.currentTime, FADE));
  }

  /** What it plays, as loud as the guest plays it, until that is ended. Undefined where this computer has no way to play. */
  async tap(): Promise<{ stream: MediaStream; end: () => void } | undefined> {
    const device = await this.#open().catch(() => undefined);
    if (!device) return undefined;
    const { context, node } = device;
    const tap = context.createMediaStreamDestination();
    node.connect(tap);
    // Silence is recorded too.
    const keepOn = setInterval(() => useSoundOutput(context), 1000);
    useSoundOutput(context);
    return {
      stream: tap.stream,
      end: () => {
        clearInterval(keepOn);
        node.disconnect(tap);
      },
    };
  }

  /** Let the guest hear the microphone. Throws what getUserMedia() does. */
  async startVoice(): Promise<void> {
    this.#wantsVoice = true;
    const processed = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const voice = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, ...processed } });
    const { context, node } = await this.#open();
    // The guest no longer wants it, or has ended, or it was asked for twice.
    if (!this.#wantsVoice || this.#voice) {
      for (const track of voice.getTracks()) track.stop();
      return;
    }
    this.#voice = voice;
    context.createMediaStreamSource(voice).connect(node);
    this.#tell(node, { type: 'listen', isOn: true });
    useSoundOutput(context);
  }

  stopVoice(): void {
    this.#wantsVoice = false;
    for (const track of this.#voice?.getTracks() ?? []) track.stop();
    this.#voice = undefined;
    void this.#device?.then(({ node }) => this.#tell(node, { type: 'listen', isOn: false }));
  }

  #receive(message: AudioMessage): void {
    this.port.post({ type: 'heard' });
    if (message.type === 'recording') this.onRecording(message.isOn);
    else if (message.type === 'rest') void this.#device?.then(({ node }) => this.#tell(node, { type: 'rest', stream: message.stream }));
    // Where this computer has no way to play there is nothing to hear; the next try is with what comes next.
    else if (message.type === 'frames') this.#play(message.stream, message.data).catch(() => undefined);
  }

  async #play(stream: number, data: Uint8Array): Promise<void> {
    const { context, node } = await this.#open();
    const samples = new Float32Array(data.buffer, data.byteOffset, data.length / 4);
    this.#tell(node, { type: 'frames', stream, samples }, [samples.buffer]);
    useSoundOutput(context);
  }

  #open(): Promise<Device> {
    this.#device ??= this.#make().catch((error: unknown) => {
      this.#device = undefined;
      throw error;
    });
    return this.#device;
  }

  async #make(): Promise<Device> {
    const context = await soundOutput();
    const node = new AudioWorkletNode(context, 'hartbox-sound', { outputChannelCount: [2] });
    const volume = context.createGain();
    volume.gain.value = this.#gain;
    node.connect(volume).connect(context.destination);
    node.port.onmessage = ({ data }: MessageEvent<FromWorklet>) => this.#hear(context, data);
    return { context, node, volume };
  }

  #hear(context: AudioContext, message: FromWorklet): void {
    if (message.type === 'voice') {
      if (this.#voice) this.port.post({ type: 'voice', data: new Uint8Array(message.samples.buffer as ArrayBuffer) });
      // Nobody has to play for that.
      useSoundOutput(context);
      return;
    }
    this.port.post({ type: 'clock', frames: message.frames });
    const { isPlaying, waiting, gaps } = message;
    this.#state.value = { isPlaying, gaps, delay: Math.round(1000 * (waiting / RATE + context.baseLatency + context.outputLatency)) };
  }

  #tell(node: AudioWorkletNode, message: ToWorklet, transfer: Transferable[] = []): void {
    node.port.postMessage(message, transfer);
  }
}
