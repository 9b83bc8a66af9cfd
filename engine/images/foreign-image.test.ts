import { describe, expect, it } from 'vitest';
import { foreignImage } from './foreign-image';

/** A file of zeros with this text at an offset. */
function file(at: number, text: string, bytes = 0x9000) {
  const contents = Buffer.alloc(bytes);
  contents.write(text, at, 'latin1');
  return { what: 'kernel', path: 'k', bytes: contents };
}
function pe(machine: number) {
  const made = file(0, 'MZ');
  made.bytes.writeUInt32LE(64, 60);
  made.bytes.write('PE\0\0', 64, 'latin1');
  made.bytes.writeUInt16LE(machine, 68);
  return made;
}

describe('what is no program for this machine', () => {
  it.each([
    ['an ISO image', file(0x8001, 'CD001'), 'is the image of a disk or disc (ISO 9660), no kernel. Start from it with --drive'],
    ['a qcow2 image', file(0, 'QFI\xfb'), '(qcow2)'],
    ['a partitioned disk', file(512, 'EFI PART'), '(GPT)'],
    ['an xz file', file(0, '\xfd7zXZ\0'), 'is compressed with xz; gzip and zstd can be unpacked'],
    ['an x86 kernel', file(0x202, 'HdrS'), 'is for x86; this machine needs one for 64-bit RISC-V'],
    ['an ARM64 kernel', file(56, 'ARM\x64'), 'is for ARM64'],
    ['an EFI program for x86-64', pe(0x8664), 'is for x86-64'],
    ['an initial file system', file(0, '070701'), 'Give it with --initrd'],
    ['a device tree', file(0, '\xd0\x0d\xfe\xed'), 'Give it with --dtb'],
    ['a source file', { what: 'kernel', path: 'k', bytes: Buffer.from('int main(void) {\n\treturn 0; // für\n}\n') }, 'is a text file'],
  ])('%s is known, and what to do', (_, given, words) => {
    const error = foreignImage(given);
    expect(error?.kind).toBe('Image');
    expect(error?.message).toContain(words);
  });

  it('is not what has nothing to be known by', () => {
    for (const one of [file(0, ''), file(0, '\x13\x05\x50\x02'), file(0, 'hi', 2), file(0, '', 1), pe(0x5064)])
      expect(foreignImage(one)).toBeUndefined();
  });
});
