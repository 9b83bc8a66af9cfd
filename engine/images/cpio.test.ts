import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VmError } from '../errors/vm-error';
import { type CpioEntry, readCpio, writeCpio } from './cpio';

const path = fc.stringMatching(/^[a-zA-Z0-9_./-]{1,40}$/);
const mode = fc.integer({ min: 0, max: 0o7777 });
const entry: fc.Arbitrary<CpioEntry> = fc.oneof(
  fc.record({ type: fc.constant('directory' as const), path, mode }),
  fc.record({ type: fc.constant('file' as const), path, mode, data: fc.uint8Array({ maxLength: 70 }) }),
  fc.record({ type: fc.constant('symlink' as const), path, target: fc.string({ minLength: 1 }) }),
  fc.record({ type: fc.constant('device' as const), path, mode, major: fc.nat(4095), minor: fc.nat(0xfffff) }),
);

describe('cpio archives', () => {
  it('read back as they were written', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
        expect(readCpio(writeCpio(entries))).toEqual(entries);
      }),
    );
  });

  it('have whole blocks, so that they can be put one after the other', () => {
    fc.assert(fc.property(fc.array(entry, { maxLength: 5 }), (entries) => writeCpio(entries).length % 512 === 0));
  });

  it('fail with an Image error, not otherwise, when they are damaged', () => {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat(255), (entries, at, value) => {
        const archive = writeCpio(entries);
        archive[at % archive.length] = value;
        try {
          readCpio(archive.subarray(0, at % 2 ? archive.length : at % archive.length));
        } catch (error) {
          expect(error).toBeInstanceOf(VmError);
        }
      }),
    );
  });

  it('refuse a path that the format cannot carry', () => {
    expect(() => writeCpio([{ type: 'directory', path: '' }])).toThrow(VmError);
    expect(() => writeCpio([{ type: 'directory', path: 'TRAILER!!!' }])).toThrow(VmError);
  });

  // That of macOS has another listing.
  it.runIf(/GNU/.test(String(spawnSync('cpio', ['--version']).stdout)))('are understood by cpio(1)', () => {
    const archive = writeCpio([
      { type: 'directory', path: 'etc' },
      { type: 'file', path: 'etc/motd', mode: 0o640, data: new TextEncoder().encode('hello\n') },
      { type: 'symlink', path: 'etc/link', target: 'motd' },
      { type: 'device', path: 'console', major: 5, minor: 1 },
    ]);
    const listing = spawnSync('cpio', ['-tv', '--quiet', '--numeric-uid-gid'], {
      input: archive,
      encoding: 'utf8',
      env: { LC_ALL: 'C', TZ: 'UTC' },
    });
    const lines = listing.stdout.trimEnd().split('\n');
    expect(lines.map((line) => `${line.slice(0, 10)} ${line.slice(42)}`).join('\n')).toContain('etc/link -> motd');
    expect(lines.map((line) => line.slice(0, 10))).toEqual(['drwxr-xr-x', '-rw-r-----', 'lrwxrwxrwx', 'crw-------']);
    expect(lines[3]).toMatch(/5,\s+1 /);
  });
});
