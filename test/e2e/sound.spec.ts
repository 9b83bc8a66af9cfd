import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { type Page, expect } from '@playwright/test';
import { WavWriter } from '../../engine/backend/audio/wav';
import { Library } from '../../engine/runner/library';
import { compileForGuest } from '../support/guest-compiler';
import { HartboxApp } from './support/hartbox-app';
import { test } from './support/test';

const NAME = 'Radio';
const RATE = 48_000;
const HERTZ = 750;
/** What the microphone of the test hears. */
const VOICE_HERTZ = 500;

let folder = '';
test.beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-e2e-sound-'));
  await compileForGuest(new URL('../support/sound-user.c', import.meta.url), join(folder, 'sound-user'), [], ['-lm']);
  const voice = new WavWriter(join(folder, 'voice.wav'), { samples: 'S16', rate: RATE, channels: 1 });
  voice.write(
    new Uint8Array(Int16Array.from({ length: 4 * RATE }, (_, i) => 8000 * Math.sin((2 * Math.PI * VOICE_HERTZ * i) / RATE)).buffer),
  );
  voice.close();
});
test.afterAll(() => rm(folder, { recursive: true, force: true }));

/** Keep in the page what goes to the loudspeakers, left. */
function listen(page: Page): Promise<void> {
  return page.evaluate(() => {
    interface Processor {
      readable: ReadableStream<{ numberOfFrames: number; copyTo(to: Float32Array, options: object): void; close(): void }>;
    }
    const scope = window as unknown as { heard: Float32Array[]; MediaStreamTrackProcessor: new (options: object) => Processor };
    scope.heard = [];
    const connect = Object.getOwnPropertyDescriptor(AudioNode.prototype, 'connect')?.value as (to: AudioNode) => AudioNode;
    AudioNode.prototype.connect = function (this: AudioNode, to: AudioNode): AudioNode {
      if (to instanceof AudioDestinationNode) {
        const tap = (this.context as AudioContext).createMediaStreamDestination();
        connect.call(this, tap);
        const { readable } = new scope.MediaStreamTrackProcessor({ track: tap.stream.getAudioTracks()[0], maxBufferSize: 10_000 });
        const reader = readable.getReader();
        void (async () => {
          for (let { value } = await reader.read(); value; { value } = await reader.read()) {
            const piece = new Float32Array(value.numberOfFrames);
            value.copyTo(piece, { planeIndex: 0, format: 'f32-planar' });
            value.close();
            scope.heard.push(piece);
          }
        })();
      }
      return connect.call(this, to);
    } as typeof connect & AudioNode['connect'];
  });
}

/** What was heard since it was asked for last. */
async function heard(page: Page): Promise<Float32Array> {
  const pieces = await page.evaluate(() => {
    const scope = window as unknown as { heard: Float32Array[] };
    return scope.heard.splice(0).map((piece) => [...piece]);
  });
  return Float32Array.from(pieces.flat());
}

/** From the first sample that is not silent to the last. */
function sounding(samples: Float32Array): Float32Array {
  const isLoud = (sample: number): boolean => Math.abs(sample) > 0.002;
  return samples.subarray(samples.findIndex(isLoud), samples.findLastIndex(isLoud) + 1);
}

/** How strong a tone is, and what there is beside it, by root mean square. */
function tone(samples: Float32Array, hertz: number): { strength: number; rest: number } {
  let [real, imaginary] = [0, 0];
  const step = (2 * Math.PI * hertz) / RATE;
  for (const [i, sample] of samples.entries()) {
    real += (2 * sample * Math.cos(step * i)) / samples.length;
    imaginary += (2 * sample * Math.sin(step * i)) / samples.length;
  }
  let rest = 0;
  for (const [i, sample] of samples.entries()) rest += (sample - real * Math.cos(step * i) - imaginary * Math.sin(step * i)) ** 2;
  return { strength: Math.hypot(real, imaginary), rest: Math.sqrt(rest / samples.length) };
}

test('plays a tone of the guest without a gap, as loud as the user wants, and lets the guest hear only whom the user allows it to', async ({
  home,
}) => {
  test.setTimeout(600_000);
  const id = await new Library(home.path).create({ name: NAME, sound: true, shares: [{ folder, mount: '/mnt/here' }] });
  const voice = join(folder, 'voice.wav');
  const switches = ['--use-fake-device-for-media-stream', `--use-file-for-fake-audio-capture=${voice}`];
  const app = await HartboxApp.launch(home, {}, { switches });
  try {
    const { page, machine } = app;
    await listen(page);
    await app.library.card(NAME).button('Start').click();
    await machine.shell();
    const sound = page.getByRole('button', { name: 'Sound' });
    // Where this computer is too busy there is a gap, but not time and again.
    await expect(async () => {
      await heard(page);
      await machine.command(`clear; /mnt/here/sound-user play ${RATE} 2 ${3 * RATE} ${HERTZ}; echo played-$?`, /played-\d/);
      await expect(machine.screen).toContainText('played-0');
      await page.waitForTimeout(500);
      const played = sounding(await heard(page));
      expect(played.length).toBeGreaterThan(2.9 * RATE);
      expect(played.length).toBeLessThan(3.1 * RATE);
      const whole = tone(played.subarray(0, 3 * RATE - 100), HERTZ);
      expect(whole.strength).toBeGreaterThan(0.48);
      expect(whole.rest).toBeLessThan(0.003);
    }).toPass({ timeout: 240_000 });

    await sound.click();
    await expect(page.getByText('The guest plays nothing.')).toBeVisible();
    expect((await new AxeBuilder({ page }).setLegacyMode().analyze()).violations).toEqual([]);
    await page.getByRole('slider', { name: 'Volume' }).fill('50');
    await expect.poll(async () => (await new Library(home.path).settings(id)).values.volume).toBe(50);
    await page.keyboard.press('Escape');
    await heard(page);
    await machine.command(`clear; /mnt/here/sound-user play ${RATE} 2 ${RATE} ${HERTZ}; echo softly-$?`, /softly-\d/);
    await page.waitForTimeout(500);
    expect(tone(sounding(await heard(page)).subarray(0, RATE / 2), HERTZ).strength).toBeCloseTo(0.125, 2);

    // Nobody is heard without having agreed.
    const answer = (response: number): Promise<void> =>
      app.electron.evaluate(({ dialog }, chosen) => {
        const asked = dialog as unknown as { asked?: number; showMessageBox: unknown };
        asked.showMessageBox = () => {
          asked.asked = (asked.asked ?? 0) + 1;
          return Promise.resolve({ response: chosen, checkboxChecked: false });
        };
      }, response);
    const record = async (name: string): Promise<Float32Array> => {
      await machine.command(`clear; /mnt/here/sound-user record ${RATE} 1 ${2 * RATE} > /mnt/here/${name}; echo ${name}-$?`, `${name}-0`);
      const bytes = await readFile(join(folder, name));
      return Float32Array.from(new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2), (sample) => sample / 32768);
    };
    await answer(1);
    expect((await record('refused')).every((sample) => sample === 0)).toBe(true);
    await answer(0);
    await sound.click();
    await expect(page.getByText('The guest may not hear the microphone')).toBeVisible();
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.keyboard.press('Escape');
    await expect(async () => {
      const said = (await record('heard')).subarray(RATE, 2 * RATE);
      const { strength, rest } = tone(said, VOICE_HERTZ);
      expect(strength).toBeGreaterThan(0.1);
      expect(rest).toBeLessThan(strength / 10);
    }).toPass({ timeout: 60_000 });
    await sound.click();
    await expect(page.getByText('The microphone is off')).toBeVisible();
  } finally {
    await app.end();
  }
});
