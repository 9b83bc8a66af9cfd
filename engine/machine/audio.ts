import type { AudioBackend, Playback, Recording } from '../backend/audio/audio-backend';
import { LiveAudio } from '../backend/audio/live-audio';
import type { AudioFormat } from '../backend/audio/sample-format';
import { requireWav } from '../backend/audio/wav';
import { WavAudio } from '../backend/audio/wav-audio';
import type { VmError } from '../errors/vm-error';
import { requireOutput } from '../host/output-file';
import { readImageFile } from '../images/image-file';
import type { MachineConfig } from '../settings/settings';

/** Bytes of a file that a guest hears; it is kept in memory. */
const HEARD_MAX = 512 << 20;

/** A machine's sound. */
export interface MachineAudio {
  /** Where all of it goes to and comes from. */
  backend: AudioBackend;
  /** Those who listen while it runs. */
  live: LiveAudio;
}

/**
 * Where a machine's sound goes and comes from; undefined for one without. Throws VmError: 'Image' where the file to be heard cannot be used, 'Config'
 * or 'Resource' where that for what is played cannot be written to.
 */
export async function openAudio(
  { sound, soundFile, microphoneFile }: MachineConfig,
  warn: (error: VmError) => void,
): Promise<MachineAudio | undefined> {
  if (!sound) return undefined;
  const live = new LiveAudio();
  if (soundFile === undefined && microphoneFile === undefined) return { backend: live, live };
  if (soundFile !== undefined) await requireOutput(soundFile);
  if (microphoneFile === undefined) return { backend: new FileAudio(new WavAudio({ playFile: soundFile, warn }), live, live), live };
  const { bytes } = await readImageFile('sound file', microphoneFile, HEARD_MAX);
  const files = new WavAudio({ playFile: soundFile, heard: requireWav(bytes, microphoneFile), warn });
  return { backend: new FileAudio(files, live, files), live };
}

/** What is played goes into files and to those who listen; what is heard comes from either. */
class FileAudio implements AudioBackend {
  readonly lead: number;
  readonly recordingLimits: AudioBackend['recordingLimits'];

  constructor(
    private readonly files: WavAudio,
    private readonly live: LiveAudio,
    private readonly heard: AudioBackend,
  ) {
    this.lead = live.lead;
    this.recordingLimits = heard.recordingLimits;
  }

  now(): number {
    return this.live.now();
  }

  play(format: AudioFormat): Playback {
    const all = [this.files.play(format), this.live.play(format)];
    return {
      play: (bytes) => {
        for (const one of all) one.play(bytes);
      },
      rest: () => {
        for (const one of all) one.rest();
      },
      end: () => {
        for (const one of all) one.end();
      },
    };
  }

  record(format: AudioFormat): Recording {
    return this.heard.record(format);
  }

  close(): void {
    this.files.close();
    this.live.close();
  }
}
