import { z } from 'zod';
import { reportError } from '../runner/error-report';
import { v8VerdictSchema } from '../threads/v8-verdict-schema';
import { ImageStore } from './image-store';
import { type ImageProcessMessage, PROGRESS_MS } from './image-process-messages';
import type { ImageProgress } from './progress';

/** The first message to this process: the image to fetch or make. */
const startSchema = z.strictObject({ image: z.string(), dataDirectory: z.string(), v8: v8VerdictSchema, update: z.boolean() });

/** The line to the app's main process, as Electron gives it to a utility process. */
interface ParentPort {
  once: (event: 'message', listener: (message: { data: unknown }) => void) => void;
  postMessage: (message: ImageProcessMessage) => void;
}

/** Fetches or makes one image for the app, in a process of its own: to give it up, the app ends it. */
async function run(parent: ParentPort, data: unknown): Promise<void> {
  let told = 0;
  let phase: string | undefined;
  const onProgress = (progress: ImageProgress): void => {
    if (progress.phase === phase && Date.now() - told < PROGRESS_MS) return;
    [told, phase] = [Date.now(), progress.phase];
    parent.postMessage({ progress });
  };
  try {
    const { image, dataDirectory, v8, update } = startSchema.parse(data);
    await new ImageStore(dataDirectory).fetch(image, { v8, update, onProgress });
    parent.postMessage({ done: true });
  } catch (error) {
    parent.postMessage({ error: reportError(error) });
  }
  // What was sent leaves with the next turn of the event loop.
  setTimeout(() => process.exit(0), 50);
}

const { parentPort } = process as typeof process & { parentPort?: ParentPort };
if (parentPort) parentPort.once('message', ({ data }) => void run(parentPort, data));
else {
  console.error('This is the part of the Hartbox app that makes images; the app starts it. To make one by hand use: hartbox image fetch');
  process.exit(2);
}
