import { describe, expect, it } from 'vitest';
import { LIVE_RATE, LiveAudio, type LiveListener } from './live-audio';
import { Resampler } from './resampler';
import { type AudioFormat, SAMPLE_FORMATS, type SampleFormatName } from './sample-format';
import { StereoReader, writeMono } from './samples';

const tone = (frequency: number, rate: number, count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => 0.5 * Math.sin((2 * Math.PI * frequency * i) / rate));

/** How strong a frequency is in samples, 0 to 1, under a Hann window. */
function strength(samples: Float32Array, frequency: number, rate: number): number {
  let [real, imaginary] = [0, 0];
  for (const [i, sample] of samples.entries()) {
    const weight = 1 - Math.cos((2 * Math.PI * i) / samples.length);
    const phase = (2 * Math.PI * frequency * i) / rate;
    real += weight * sample * Math.cos(phase);
    imaginary += weight * sample * Math.sin(phase);
  }
  return (2 * Math.hypot(real, imaginary)) / samples.length;
}

/** What is left when the tone is taken out, by root mean square. */
function remainder(samples: Float32Array, frequency: number, rate: number): number {
  let [real, imaginary] = [0, 0];
  const turn = (i: number): number => (2 * Math.PI * frequency * i) / rate;
  for (const [i, sample] of samples.entries()) {
    real += (2 * sample * Math.cos(turn(i))) / samples.length;
    imaginary += (2 * sample * Math.sin(turn(i))) / samples.length;
  }
  let sum = 0;
  for (const [i, sample] of samples.entries()) sum += (sample - real * Math.cos(turn(i)) - imaginary * Math.sin(turn(i))) ** 2;
  return Math.sqrt(sum / samples.length);
}

describe('frames of another rate', () => {
  it.each([5512, 8000, 11025, 22050, 44100, 48000, 96000, 192000, 384000])('are those of %i a second, without noise or gap', (rate) => {
    const input = tone(1000, rate, rate);
    const resampler = new Resampler(rate, LIVE_RATE, 1);
    const pieces: number[] = [];
    for (let at = 0, size = 1; at < input.length; at += size, size = ((size * 7) % 1021) + 1)
      pieces.push(...resampler.push(input.subarray(at, at + size)));
    expect(Math.abs(pieces.length - LIVE_RATE)).toBeLessThan(400);
    const middle = Float32Array.from(pieces.slice(4800, 4800 + 38_400));
    expect(strength(middle, 1000, LIVE_RATE)).toBeCloseTo(0.5, 2);
    expect(remainder(middle, 1000, LIVE_RATE)).toBeLessThan(rate === 5512 ? 0.003 : 0.0006);
  });

  it('have no more of what is above half of their rate', () => {
    const heard = new Resampler(48000, 8000, 1).push(tone(7000, 48000, 48000));
    expect(strength(heard.subarray(500), 1000, 8000)).toBeLessThan(0.001);
  });
});

describe('samples from -1 to 1', () => {
  it.each(Object.keys(SAMPLE_FORMATS) as SampleFormatName[])('become %s and come back', (samples) => {
    const format: AudioFormat = { samples, rate: 8000, channels: 1 };
    const { bytes, bits, encoding } = SAMPLE_FORMATS[samples];
    const values = Float32Array.of(0, 0.5, -0.5, 0.25, -0.9, 0.01, 0.99);
    const written = new Uint8Array(values.length * bytes);
    expect(writeMono(format, values, written)).toBe(values.length);
    const reader = new StereoReader(format);
    // Cut in the middle of a sample.
    const stereo = [...reader.read(written.subarray(0, bytes * 2 + 1)), ...reader.read(written.subarray(bytes * 2 + 1))];
    const allowed = encoding.endsWith('law') ? 0.03 : encoding === 'float' ? 1e-7 : 1.1 / 2 ** (bits - 1) + 1e-7;
    for (const [i, value] of values.entries()) {
      expect(Math.abs(stereo[2 * i] - value)).toBeLessThanOrEqual(allowed);
      expect(stereo[2 * i + 1]).toBe(stereo[2 * i]);
    }
  });

  it('are left and right of up to eight channels, and never too loud', () => {
    for (let channels = 1; channels <= 8; channels++) {
      const loud = new Float32Array(channels).fill(1);
      const stereo = new StereoReader({ samples: 'FLOAT', rate: 8000, channels }).read(new Uint8Array(loud.buffer));
      expect(stereo.every((value) => value > 0.5 && value <= 1)).toBe(true);
      for (let channel = 0; channels > 1 && channel < channels; channel++) {
        const only = new Float32Array(channels);
        only[channel] = 1;
        const [left, right] = new StereoReader({ samples: 'FLOAT', rate: 8000, channels }).read(new Uint8Array(only.buffer));
        const isMiddle = channel === 4 || channel === 5;
        expect([left > 0, right > 0]).toEqual(isMiddle ? [channel === 4, channel === 4] : [channel % 2 === 0, channel % 2 === 1]);
      }
    }
    const wild = new StereoReader({ samples: 'FLOAT', rate: 8000, channels: 1 }).read(
      new Uint8Array(Float32Array.of(NaN, Infinity, -9).buffer),
    );
    expect([...wild]).toEqual([0, 0, 1, 1, -1, -1]);
  });
});

class Ear implements LiveListener {
  readonly heard: Record<number, number[]> = {};
  readonly said: string[] = [];
  play(stream: number, frames: Float32Array): void {
    this.heard[stream] = [...(this.heard[stream] ?? []), ...frames];
  }
  rest(stream: number): void {
    this.said.push(`${stream} rests`);
  }
  recording(isOn: boolean): void {
    this.said.push(isOn ? 'records' : 'is deaf');
  }
}
const mono: AudioFormat = { samples: 'S16', rate: LIVE_RATE, channels: 1 };
const bytesOf = (values: Int16Array): Uint8Array => new Uint8Array(values.buffer);

describe('live audio', () => {
  it('is heard by all who listen, each stream for itself, and by nobody else', () => {
    const audio = new LiveAudio();
    const one = audio.play(mono);
    one.play(bytesOf(Int16Array.of(1, 2, 3)));
    const ears = [new Ear(), new Ear()];
    const [leave] = ears.map((ear) => audio.listen(ear));
    const other = audio.play(mono);
    one.play(bytesOf(Int16Array.of(16384)));
    other.play(bytesOf(Int16Array.of(-16384)));
    leave();
    one.end();
    audio.play(mono).play(bytesOf(Int16Array.of(0)));
    expect(ears[0].heard).toEqual({ 0: [0.5, 0.5], 1: [-0.5, -0.5] });
    expect(ears[1].heard).toEqual({ 0: [0.5, 0.5, 0, 0], 1: [-0.5, -0.5] });
    expect(ears.map(({ said }) => said)).toEqual([['is deaf'], ['is deaf', '0 rests']]);
  });

  it('hears what is said at the guest rate, silence before and after, and of too much the last', () => {
    const audio = new LiveAudio();
    const ear = new Ear();
    audio.listen(ear);
    audio.hear(new Float32Array(48000).fill(0.1));
    const recording = audio.record({ samples: 'S16', rate: 16000, channels: 2 });
    const take = (frames: number): Int16Array => {
      const target = new Uint8Array(4 * frames).fill(7);
      recording.record(target);
      return new Int16Array(target.buffer);
    };
    expect(take(100).every((sample) => sample === 0)).toBe(true);
    audio.hear(new Float32Array(480).fill(0.25));
    expect(take(160).every((sample) => sample === 0)).toBe(true);
    audio.hear(new Float32Array(96_000).fill(0.5));
    const said = take(1600);
    expect(Math.abs(said[1000] - 16384)).toBeLessThan(40);
    expect(said[1001]).toBe(said[1000]);
    const rest = take(8000);
    // 0.3 s wait at most, of which 0.1 are taken.
    expect(Math.abs(rest[2 * 3100] - 16384)).toBeLessThan(40);
    expect(rest[2 * 3300]).toBe(0);
    recording.end();
    expect(ear.said).toEqual(['is deaf', 'records', 'is deaf']);
  });
});
