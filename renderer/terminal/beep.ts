let audio: AudioContext | undefined;

/** A short, quiet tone. */
export function beep(): void {
  audio ??= new AudioContext();
  const start = audio.currentTime;
  const [tone, volume] = [audio.createOscillator(), audio.createGain()];
  tone.frequency.value = 660;
  volume.gain.setValueAtTime(0.08, start);
  volume.gain.exponentialRampToValueAtTime(0.001, start + 0.12);
  tone.connect(volume).connect(audio.destination);
  tone.start(start);
  tone.stop(start + 0.12);
}
