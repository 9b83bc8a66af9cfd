import { describe, expect, it } from 'vitest';
import { parseDrive } from './drive-option';

describe('parseDrive', () => {
  it('takes commas within a file name written twice', () => {
    expect(parseDrive('file=a,,b.img,format=raw,readonly=on,serial=one')).toEqual({
      file: 'a,b.img',
      format: 'raw',
      readonly: true,
      serial: 'one',
    });
  });

  it('says where the guest finds a drive, and what it may do', () => {
    expect(parseDrive('file=a,if=scsi,media=disk,discard=off,blocksize=4096,queues=2,id=data')).toEqual({
      file: 'a',
      format: 'auto',
      readonly: false,
      interface: 'scsi',
      media: 'disk',
      discard: false,
      blockSize: 4096,
      queues: 2,
      id: 'data',
    });
  });

  it('takes an equals sign within a file name', () => {
    expect(parseDrive('file=a=b.img').file).toBe('a=b.img');
  });

  it.each(['C:\\disks\\a.img', 'C:a.img', '\\\\server\\share\\a b.img', '\\\\?\\C:\\a.img', 'D:/disks/a.img'])(
    'takes %s, a path of Windows',
    (path) => {
      expect(parseDrive(`file=${path},readonly`)).toMatchObject({ file: path, readonly: true });
    },
  );

  it.each([
    ['disk.img', /names no file/],
    ['', /names no file/],
    ['file', /names no file/],
    ['file=,readonly', /names no file/],
    ['file=a,cache=none', /'cache' is none of these/],
    ['file=a,format=vmdk', /format is 'vmdk'/],
    ['file=a,readonly=maybe', /readonly is 'maybe'/],
    ['file=a,file=b', /given twice/],
    ['file=a,if=ide', /if is 'ide' .virtio or scsi/],
    ['file=a,media=tape', /media is 'tape'/],
    ['file=a,blocksize=1024', /blocksize is '1024'/],
    ['file=a,queues=0', /from 1 to 16/],
  ])("refuses '%s'", (text, message) => {
    expect(() => parseDrive(text)).toThrow(message);
  });
});
