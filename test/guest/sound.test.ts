import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readWav, WavWriter } from '../../engine/backend/audio/wav';
import { writeCpio } from '../../engine/images/cpio';
import { buses } from '../support/buses';
import { compileForGuest } from '../support/guest-compiler';
import { type CommandResult, GuestShell } from '../support/guest-shell';

const RATE = 48000;
/** Half a second, in whole periods of 40 ms: Linux's driver plays no others. */
const FRAMES = 13 * (RATE / 25);

const COMPLAINTS = 'dmesg | grep -i -E "virtio_snd|xrun|lost interrupt"';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-sound-'));
const microphoneFile = join(folder, 'voice.wav');
let program: Uint8Array;
let shell: GuestShell;
beforeAll(async () => {
  program = await compileForGuest(new URL('../support/sound-user.c', import.meta.url), join(folder, 'sound-user'), [], ['-lm']);
  const voice = new WavWriter(microphoneFile, { samples: 'S16', rate: 16000, channels: 1 });
  voice.write(saw(16000));
  voice.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => shell?.machine.stop());

/** What the program plays. */
function saw(samples: number): Uint8Array {
  return new Uint8Array(Int16Array.from({ length: samples }, (_, i) => i * 1000).buffer);
}

/** A stream runs dry where this computer is too busy to run the guest, but not time and again. */
async function untilUndisturbed(command: string): Promise<CommandResult> {
  for (let tries = 1; ; tries++) {
    // Of tries that failed the kernel has something to say.
    await shell.run('dmesg -c > /dev/null');
    const result = await shell.run(command);
    if (result.status !== 3 || tries === 10) return result;
  }
}

describe('the sound card', { timeout: 300_000 }, () => {
  it.each(buses('pci'))("plays and records with Linux's driver, on %s", async (bus) => {
    const soundFile = join(folder, `${bus}.wav`);
    const extraInitrd = writeCpio([{ type: 'file', path: 'bin/sound-user', mode: 0o755, data: program }]);
    shell = await GuestShell.boot({ sound: true, soundFile, microphoneFile, bus, balloon: false }, { extraInitrd });
    const { output } = await shell.run('cat /proc/asound/cards; cat /proc/asound/pcm; ls /dev/snd');
    expect(output).toMatch(/VirtIO SoundCard/);
    expect(output).toMatch(/00-00: .*playback 2 : capture 1/);
    expect(output).toMatch(/controlC0[\s\S]*pcmC0D0c[\s\S]*pcmC0D0p/);

    expect(await untilUndisturbed(`sound-user play ${RATE} 2 ${FRAMES}`)).toMatchObject({ status: 0, output: '' });
    expect((await shell.run(COMPLAINTS)).output).toBe('');
    const recorded = await untilUndisturbed('sound-user record 16000 1 8000 > /tmp/heard; (exit $?)');
    expect(recorded.status).toBe(0);
    const sum = await shell.run('sha256sum < /tmp/heard');
    expect(sum.output.slice(0, 64)).toBe(createHash('sha256').update(saw(8000)).digest('hex'));
    expect((await shell.run(COMPLAINTS)).output).toBe('');
    const [playback, , recording] = shell.machine.sound.streams;
    expect(playback.frames).toBeGreaterThanOrEqual(FRAMES);
    expect(recording.frames).toBeGreaterThanOrEqual(8000);

    await shell.machine.stop();
    const wav = readWav(readFileSync(soundFile));
    expect(wav?.format).toEqual({ samples: 'S16', rate: RATE, channels: 2 });
    // The last try; behind it there may be the silence that ALSA fills its last period with.
    const tone = Buffer.from(saw(2 * FRAMES));
    expect(Buffer.from(wav?.data ?? []).lastIndexOf(tone)).toBeGreaterThanOrEqual(0);
  });
});
