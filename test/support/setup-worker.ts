import { readFile } from 'node:fs/promises';
import { defaultGuest } from '../../engine/images/default-guest';

/**
 * A process that sets the default guest up, or updates it, until it is killed: by itself when it comes to a phase, if one is named.
 *
 *     node setup-worker.mjs DATA MIRROR KEYFILE [PHASE]
 */
const [dataDirectory, mirror, key, last] = process.argv.slice(2);
const keys = [await readFile(key, 'utf8')];
process.stdout.write('begun\n');
await defaultGuest({
  dataDirectory,
  mirror,
  keys,
  update: true,
  onProgress: ({ phase }) => {
    if (phase === last) process.kill(process.pid, 'SIGKILL');
  },
});
process.stdout.write('done\n');
