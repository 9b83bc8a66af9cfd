import { RATE } from './mixer';
import workletUrl from './sound-worklet?worker&url';

/** Milliseconds without a sound after which this computer's audio device is given back. */
const IDLE_MS = 10_000;

let opened: Promise<AudioContext> | undefined;
let lastUse = 0;

/** This computer's loudspeakers, for all boxes. */
export function soundOutput(): Promise<AudioContext> {
  opened ??= open().catch((error: unknown) => {
    opened = undefined;
    throw error;
  });
  return opened;
}

/** There is something to hear: they are on from now on, until there is nothing for a while. */
export function useSoundOutput(context: AudioContext): void {
  lastUse = performance.now();
  if (context.state === 'suspended') void context.resume();
}

async function open(): Promise<AudioContext> {
  const context = new AudioContext({ sampleRate: RATE, latencyHint: 'interactive' });
  await context.audioWorklet.addModule(workletUrl);
  await context.suspend();
  setInterval(() => {
    if (context.state === 'running' && performance.now() - lastUse > IDLE_MS) void context.suspend();
  }, IDLE_MS / 4);
  return context;
}
