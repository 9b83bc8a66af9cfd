import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { LiveAudio } from '../backend/audio/live-audio';
import type { AudioFormat } from '../backend/audio/sample-format';
import { AUDIO_MESSAGE, AUDIO_WINDOW, type AudioMessage, audioMessageSchema } from './audio-channel';
import { AudioHub } from './audio-hub';

/** The window's end. */
class TestWindow extends EventEmitter {
  readonly posted: AudioMessage[] = [];
  open = 0;

  postMessage(message: AudioMessage): void {
    expect(audioMessageSchema.safeParse(message).success).toBe(true);
    this.posted.push(message);
    this.open++;
  }
  start(): void {
    expect(this.listenerCount('message')).toBe(1);
  }
  close(): void {
    this.emit('close');
  }
  say(message: unknown): void {
    this.emit('message', { data: message });
  }
  answer(): void {
    for (; this.open > 0; this.open--) this.say({ type: 'heard' });
  }
  get frames(): number {
    return this.posted.reduce((sum, message) => sum + (message.type === 'frames' ? message.data.length / 8 : 0), 0);
  }
}

const format: AudioFormat = { samples: 'FLOAT', rate: 48000, channels: 2 };

function connected(): { audio: LiveAudio; hub: AudioHub; window: TestWindow } {
  const [audio, hub, window] = [new LiveAudio(), new AudioHub(), new TestWindow()];
  hub.connect(window);
  hub.attach(audio);
  return { audio, hub, window };
}

describe('those who listen to a box', () => {
  it('get all in pieces that a channel carries, whether they come before or after the machine', () => {
    const { audio, hub, window } = connected();
    const late = new TestWindow();
    hub.connect(late);
    const playback = audio.play(format);
    playback.play(new Uint8Array(AUDIO_MESSAGE + 80));
    playback.rest();
    for (const one of [window, late]) {
      expect(one.posted.map((message) => (message.type === 'frames' ? message.data.length : message))).toEqual([
        { type: 'recording', isOn: false },
        AUDIO_MESSAGE,
        80,
        { type: 'rest', stream: 0 },
      ]);
    }
  });

  it('are sent no more than a second that they have not answered, and then what is played then', () => {
    const { audio, window } = connected();
    const playback = audio.play(format);
    for (let i = 0; i < 500; i++) playback.play(new Uint8Array(8 * 4800));
    expect(window.frames).toBeLessThanOrEqual(AUDIO_WINDOW + 4800);
    for (let i = 0; i < 100_000; i++) {
      playback.rest();
      playback.play(new Uint8Array(8));
      audio.record(format).end();
    }
    expect(window.posted.length).toBeLessThan(150);
    // The last that counts is told all the same.
    const recording = audio.record(format);
    playback.rest();
    window.answer();
    expect(window.posted.slice(-2)).toEqual([
      { type: 'rest', stream: 0 },
      { type: 'recording', isOn: true },
    ]);
    recording.end();
    const { frames } = window;
    playback.play(new Uint8Array(80));
    expect(window.frames - frames).toBe(10);
  });

  it('are heard, and set the pace, as long as they are there and say what fits', () => {
    const { audio, window } = connected();
    const recording = audio.record({ ...format, channels: 1 });
    window.say({ type: 'voice', data: new Uint8Array(new Float32Array(8192).fill(0.5).buffer) });
    window.say({ type: 'voice', data: new Uint8Array(7) });
    window.say({ type: 'voice', data: new Uint8Array(AUDIO_MESSAGE + 8) });
    window.say({ type: 'clock', frames: -1 });
    window.say('nonsense');
    window.say({ type: 'clock', frames: 48 });
    const target = new Float32Array(100);
    recording.record(new Uint8Array(target.buffer));
    expect([...target]).toEqual(new Array(100).fill(0.5));
    window.close();
    window.say({ type: 'voice', data: new Uint8Array(80) });
    audio.play(format).play(new Uint8Array(80));
    expect(window.frames).toBe(0);
  });
});
