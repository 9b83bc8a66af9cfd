import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { VmError } from '../../errors/vm-error';
import { type AudioFormat, asWavSamples, fillWithSilence, SAMPLE_FORMATS, type SampleFormatName } from './sample-format';
import { readWav, requireWav, WavWriter } from './wav';
import { WavAudio } from './wav-audio';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-audio-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const stereo: AudioFormat = { samples: 'S16', rate: 44100, channels: 2 };

describe('samples', () => {
  it.each([
    ['S8', [0x80, 0x00, 0x7f], [0x00, 0x80, 0xff]],
    ['U8', [0x00, 0x80], [0x00, 0x80]],
    ['U16', [0x00, 0x80, 0xff, 0xff], [0x00, 0x00, 0xff, 0x7f]],
    ['S18_3', [0xff, 0xff, 0x01], [0xc0, 0xff, 0x7f]],
    ['U20_3', [0x00, 0x00, 0x08], [0x00, 0x00, 0x00]],
    ['S24', [0x01, 0x00, 0x80, 0xff], [0x00, 0x01, 0x00, 0x80]],
    ['U32', [0x00, 0x00, 0x00, 0x00], [0x00, 0x00, 0x00, 0x80]],
    ['FLOAT', [1, 2, 3, 4], [1, 2, 3, 4]],
  ] as const)('of %s become what WAV has', (samples, before, after) => {
    const bytes = Uint8Array.from(before);
    asWavSamples(samples, bytes);
    expect([...bytes]).toEqual([...after]);
  });

  it.each(Object.keys(SAMPLE_FORMATS) as SampleFormatName[])('of %s are silent where they are filled so', (samples) => {
    const { bytes, encoding } = SAMPLE_FORMATS[samples];
    const target = new Uint8Array(2 * bytes).fill(7);
    fillWithSilence(samples, target);
    if (encoding === 'mu-law' || encoding === 'a-law') {
      expect([...target]).toEqual(new Array(2).fill(encoding === 'mu-law' ? 0xff : 0xd5));
      return;
    }
    asWavSamples(samples, target);
    // In WAV silence is zero, but for samples of one byte.
    expect([...target]).toEqual(new Array(2 * bytes).fill(bytes === 1 ? 0x80 : 0));
  });
});

describe('WAV files', () => {
  it('give back what was written, whatever its format', () => {
    for (const samples of ['U8', 'S16', 'S24_3', 'S32', 'FLOAT', 'FLOAT64', 'A_LAW', 'MU_LAW'] as const) {
      const format: AudioFormat = { samples, rate: 8000, channels: 3 };
      const path = join(folder, `${samples}.wav`);
      const data = Uint8Array.from({ length: 3 * SAMPLE_FORMATS[samples].bytes * 5 }, (_, i) => i);
      const writer = new WavWriter(path, format);
      expect(readWav(readFileSync(path))).toEqual({ format, data: Buffer.alloc(0) });
      expect([data.subarray(0, 24), data.subarray(24)].map((piece) => writer.write(piece))).toEqual([true, true]);
      writer.close();
      expect(readWav(readFileSync(path))).toEqual({ format, data: Buffer.from(data) });
    }
  });

  it('are read as far as they are whole', () => {
    const path = join(folder, 'cut.wav');
    const writer = new WavWriter(path, stereo);
    writer.write(new Uint8Array(400).fill(1));
    writer.close();
    const bytes = readFileSync(path);
    expect(readWav(bytes.subarray(0, 44 + 11))?.data).toHaveLength(8);
    // A chunk that nobody knows stands between.
    const more = Buffer.concat([bytes.subarray(0, 36), Buffer.from('LIST\x03\0\0\0abc\0'), bytes.subarray(36)]);
    expect(readWav(more)?.data).toHaveLength(400);
    for (const length of [0, 11, 20, 40]) expect(readWav(bytes.subarray(0, length))).toBeUndefined();
    for (const [at, value] of [
      [8, 0],
      [20, 9],
      [22, 0],
      [34, 17],
    ]) {
      const broken = Uint8Array.from(bytes);
      broken[at] = value;
      expect(readWav(broken)).toBeUndefined();
      expect(() => requireWav(broken, '/a.wav')).toThrow(/\/a.wav is no WAV file/);
    }
  });

  it('take what is played: on and on in one format, in further files in others and at the same time', () => {
    const playFile = join(folder, 'played.wav');
    const audio = new WavAudio({ playFile });
    for (const value of [1, 2]) {
      const playback = audio.play(stereo);
      playback.play(new Uint8Array(8).fill(value));
      playback.end();
    }
    const [one, other] = [audio.play(stereo), audio.play(stereo)];
    one.play(new Uint8Array(4).fill(3));
    other.play(new Uint8Array(4).fill(4));
    audio.play({ ...stereo, rate: 8000 }).play(new Uint8Array(4).fill(5));
    audio.close();
    expect(readdirSync(folder).filter((name) => name.startsWith('played'))).toEqual(['played-2.wav', 'played-3.wav', 'played.wav']);
    const data = (name: string): number[] => [...(readWav(readFileSync(join(folder, name)))?.data ?? [])];
    expect(data('played.wav')).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3]);
    expect([data('played-2.wav'), data('played-3.wav')]).toEqual([
      [4, 4, 4, 4],
      [5, 5, 5, 5],
    ]);
  });

  it('are put in the place of none but the one that the user has named', () => {
    const playFile = join(folder, 'kept.wav');
    for (const name of ['kept.wav', 'kept-2.wav', 'kept-4.wav']) writeFileSync(join(folder, name), 'mine');
    const audio = new WavAudio({ playFile });
    for (const channels of [1, 2, 3]) audio.play({ ...stereo, channels }).play(new Uint8Array(2 * channels * 2));
    audio.close();
    const isMine = (name: string): boolean => readFileSync(join(folder, name), 'latin1') === 'mine';
    const names = readdirSync(folder).filter((name) => name.startsWith('kept'));
    expect(Object.fromEntries(names.map((name) => [name, isMine(name)]))).toEqual({
      'kept.wav': false,
      'kept-2.wav': true,
      'kept-3.wav': false,
      'kept-4.wav': true,
      'kept-5.wav': false,
    });
  });

  it.runIf(process.platform !== 'win32')('are no pipes and devices, which would keep the box waiting', () => {
    const pipe = join(folder, 'pipe.wav');
    execFileSync('mkfifo', [pipe]);
    for (const [playFile, type] of [
      [pipe, 'pipe'],
      ['/dev/null', 'character device'],
      [folder, 'folder'],
    ]) {
      const warnings: VmError[] = [];
      new WavAudio({ playFile, warn: (error) => warnings.push(error) }).play(stereo).play(new Uint8Array(4));
      expect(warnings).toMatchObject([{ code: 'sound-file-not-written', message: expect.stringContaining(type) }]);
    }
  });

  it('are not more than a few, and play on for nobody where they cannot be made', () => {
    const playFile = join(folder, 'many.wav');
    const audio = new WavAudio({ playFile });
    for (let i = 0; i < 40; i++) audio.play({ ...stereo, channels: 1 + i }).play(new Uint8Array(4 * (1 + i)));
    audio.close();
    expect(readdirSync(folder).filter((name) => name.startsWith('many'))).toHaveLength(16);
    const warnings: VmError[] = [];
    const nowhere = new WavAudio({ playFile: join(folder, 'missing', 'a.wav'), warn: (error) => warnings.push(error) });
    for (let i = 0; i < 3; i++) nowhere.play(stereo).play(new Uint8Array(4));
    expect(warnings).toMatchObject([{ kind: 'Resource', code: 'sound-file-not-written' }]);
  });

  it('are heard once, and silence after that', () => {
    const heard = { format: stereo, data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) };
    const audio = new WavAudio({ heard });
    expect(audio.recordingLimits).toEqual({ samples: ['S16'], rates: [44100], channels: 2 });
    const recording = audio.record(stereo);
    const target = new Uint8Array(12).fill(9);
    recording.record(target);
    expect([...target]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0]);
  });
});
