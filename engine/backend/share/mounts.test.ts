import { describe, expect, it } from 'vitest';
import { isLocal, liesLocal } from './mounts';

const MOUNTS = `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:5 / /proc rw - proc proc rw
40 22 0:40 / /home/a/far rw shared:1 - nfs4 server:/x rw
41 22 0:41 / /srv/with\\040space rw - fuse.sshfs a@b: rw
42 22 0:42 / /tmp rw - tmpfs tmpfs rw
43 22 0:43 / /over rw - fuse.x x rw
44 22 0:44 / /over rw - ext4 /dev/vdb rw
`;

describe('a folder whose file systems always answer', () => {
  it.each([
    ['/home/b', true],
    ['/home/a', false],
    ['/home/a/far', false],
    ['/home/a/far/deep', false],
    ['/home/a/farther', true],
    ['/srv/with space/x', false],
    ['/srv/with', true],
    ['/tmp/x', true],
    ['/over/x', true],
    ['/', false],
    ['/proc/1', false],
  ])('%s: %s', (folder, expected) => expect(isLocal(folder, MOUNTS)).toBe(expected));

  it('is none where the host does not tell', () => {
    expect(isLocal('/home', '')).toBe(false);
  });

  it.skipIf(process.platform !== 'linux')('is told of this computer', async () => {
    expect(await liesLocal('/proc')).toBe(false);
  });
});
