import { type AudioBackend, SilentAudio } from '../backend/audio/audio-backend';
import { requireWav } from '../backend/audio/wav';
import { WavAudio } from '../backend/audio/wav-audio';
import type { VmError } from '../errors/vm-error';
import { readImageFile } from '../images/image-file';
import type { MachineConfig } from '../settings/settings';

/** Bytes of a file that a guest hears; it is kept in memory. */
const HEARD_MAX = 512 << 20;

/** Where a machine's sound goes and comes from; undefined for one without. Throws VmError 'Image' where the file to be heard cannot be used. */
export async function openAudio(
  { sound, soundFile, microphoneFile }: MachineConfig,
  warn: (error: VmError) => void,
): Promise<AudioBackend | undefined> {
  if (!sound) return undefined;
  if (soundFile === undefined && microphoneFile === undefined) return new SilentAudio();
  if (microphoneFile === undefined) return new WavAudio({ playFile: soundFile, warn });
  const { bytes } = await readImageFile('sound file', microphoneFile, HEARD_MAX);
  return new WavAudio({ playFile: soundFile, heard: requireWav(bytes, microphoneFile), warn });
}
