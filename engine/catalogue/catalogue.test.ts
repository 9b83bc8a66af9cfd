import { describe, expect, it } from 'vitest';
import { missingExtensions, ownCatalogue, parseCatalogue } from './catalogue';
import { debianRecipe } from './debian-recipe';
import { hashOf } from './download-image';
import { type ImageProgress, ImageProgressMeter } from './progress';

const entry = {
  id: 'some-disk',
  name: 'Some disk',
  kind: 'download',
  icon: 'disk',
  downloadBytes: 1,
  diskBytes: 1,
  url: 'https://images.example/some.qcow2',
  checksums: { url: 'https://images.example/SUMS', algorithm: 'sha256' },
  seed: 'cloud-init',
  box: { memory: 2 ** 29, firmware: 'edk2' },
};
const parse = (changes: object) => parseCatalogue(JSON.stringify({ version: 1, images: [{ ...entry, ...changes }] }), 'a file');

describe('the catalogue', () => {
  it('that comes with Hartbox can be read, and each of its images is published by its project over HTTPS', () => {
    const images = ownCatalogue();
    expect(images.filter(({ kind }) => kind === 'debian')).toHaveLength(3);
    for (const image of images) {
      if (image.kind === 'debian') continue;
      expect(image.url).toMatch(/^https:/);
      expect(image.checksums.url).toMatch(/^https:/);
      expect(new URL(image.checksums.url).hostname).toBe(new URL(image.url).hostname);
    }
  });

  it('offers what the harts can run, and says what is missing for the rest', () => {
    const missing = new Map(ownCatalogue().map((image) => [image.id, missingExtensions(image)]));
    expect(missing.get('debian-trixie')).toEqual([]);
    expect(missing.get('ubuntu-24.04')).toEqual([]);
    expect(missing.get('ubuntu-26.04')).toContain('v');
    expect(missing.get('ubuntu-26.04')).not.toContain('zicond');
  });

  it.each([
    ['an id for a path', { id: '../up' }],
    ['an unknown field', { script: 'rm' }],
    ['another protocol', { url: 'file:///etc/passwd' }],
    ['no checksums', { checksums: undefined }],
    ['a weak hash', { checksums: { url: entry.checksums.url, algorithm: 'md5' } }],
    ['memory that no box has', { box: { memory: 1, firmware: 'edk2' } }],
  ])('is refused for %s', (_, changes) => {
    expect(() => parse(changes)).toThrow(expect.objectContaining({ code: 'catalogue-wrong' }));
  });

  it('is refused for two images of one id, another version and what is no JSON', () => {
    expect(() => parseCatalogue(JSON.stringify({ version: 1, images: [entry, entry] }), 'x')).toThrow(/same id/);
    expect(() => parseCatalogue(JSON.stringify({ version: 2, images: [] }), 'x')).toThrow(/version/);
    expect(() => parseCatalogue('{', 'x')).toThrow(/no JSON/);
  });

  it('has Debians that are more than the smallest', () => {
    const minimal = debianRecipe('minimal').packages;
    for (const variant of ['developer', 'desktop'] as const)
      expect(debianRecipe(variant).packages).toEqual(expect.arrayContaining([...minimal]));
  });

  it('has a desktop whose screen is not black while it starts, for want of what draws its background, or when nobody types', () => {
    const { packages, files } = debianRecipe('desktop');
    // Xfce's background is /usr/share/backgrounds/xfce/xfce-x.svg, which gdk-pixbuf alone cannot read.
    expect(packages).toEqual(expect.arrayContaining(['xfdesktop4', 'librsvg2-common']));
    const xorg = files.filter(({ path }) => path.startsWith('etc/X11/xorg.conf.d/')).map(({ contents }) => contents);
    for (const after of ['BlankTime', 'StandbyTime', 'SuspendTime', 'OffTime'])
      expect(xorg.join('')).toMatch(new RegExp(`Section "ServerFlags"[^]*Option "${after}" "0"[^]*EndSection`));
    // '#' would begin a comment there.
    const lightdm = files.filter(({ path }) => path.startsWith('etc/lightdm/')).map(({ contents }) => contents);
    expect(lightdm.join('')).toMatch(/^display-setup-script=sh -c "xsetroot -solid [^#"]+ \|\| true"$/m);
  });
});

describe('lists of checksums', () => {
  const checksums = { url: 'https://images.example/SUMS', algorithm: 'sha256' as const };
  const hash = 'ab'.repeat(32);
  it.each([
    ['sha256sum', `${'cd'.repeat(32)}  other.img\n${hash} *a+b.img\n`],
    ['with folders', `${hash}  ./files/a+b.img\n`],
    ['BSD', `SHA256 (other.img) = ${'cd'.repeat(32)}\nSHA256 (a+b.img) = ${hash.toUpperCase()}\n`],
    ['signed', `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# a+b.img: 12 bytes\nSHA256 (a+b.img) = ${hash}\n-----BEGIN`],
    ['a hash alone', `${hash}\n`],
  ])('%s', (_, list) => {
    expect(hashOf(list, 'a+b.img', { checksums })).toEqual({ sha256: hash });
  });

  it('that belong to one file may call it by the name of its version', () => {
    const own = { ...checksums, url: 'https://images.example/a+b.img.sha256' };
    expect(hashOf(`${hash}  a+b-2026.11.img\n`, 'a+b.img', { checksums: own })).toEqual({ sha256: hash });
    expect(() => hashOf(`${hash}  a\n${hash}  b\n`, 'a+b.img', { checksums: own })).toThrow();
  });

  it('that do not name the file are refused', () => {
    for (const list of [`${hash}  aab.img\n`, `${hash}  a+b.img.sig\n`, `${hash.slice(1)}  a+b.img\n`, ''])
      expect(() => hashOf(list, 'a+b.img', { checksums })).toThrow(expect.objectContaining({ code: 'image-no-checksum' }));
    expect(() => hashOf(`SHA512 (a+b.img) = ${hash}${hash}`, 'a+b.img', { checksums })).toThrow();
  });
});

describe('the progress of an image', () => {
  it('never goes back, and tells how long it will take once enough is done', () => {
    let time = 0;
    const told: ImageProgress[] = [];
    const meter = new ImageProgressMeter(
      { download: 1, configure: 3 },
      (progress) => told.push(progress),
      () => time,
    );
    time = 1000;
    meter.report('download', 0, 100);
    time = 10_000;
    meter.report('download', 100, 100);
    time = 20_000;
    meter.report('configure', 1, 3);
    meter.report('configure', 0, 3);
    expect(told.map(({ share }) => share)).toEqual([0, 0.25, 0.5, 0.5]);
    expect(told.map(({ secondsLeft }) => secondsLeft)).toEqual([undefined, 30, 20, 20]);
  });
});
