import type { UtilityProcess } from 'electron';

type Take = (text: string) => void;

/**
 * Take what a utility process prints, to the last of it. With `exit` Electron takes all listeners off the streams
 * (lib/browser/api/utility-process.ts, seen in 33), though where this process was busy much of it may not have been read yet. Resolves when
 * there is no more to come.
 */
export async function takeOutput(
  child: Pick<UtilityProcess, 'stdout' | 'stderr' | 'once'>,
  { stdout, stderr }: { stdout: Take; stderr: Take },
): Promise<void> {
  await Promise.all([follow(child, child.stdout, stdout), follow(child, child.stderr, stderr)]);
}

function follow(child: Pick<UtilityProcess, 'once'>, stream: NodeJS.ReadableStream | null, take: Take): Promise<void> {
  if (!stream) return Promise.resolve();
  stream.setEncoding('utf8');
  return new Promise((resolve) => {
    const end = (): void => resolve();
    const listen = (): void => void stream.on('data', take).once('close', end);
    listen();
    child.once('exit', () => {
      process.nextTick(() => {
        stream.off('data', take).off('close', end);
        listen();
      });
    });
  });
}
