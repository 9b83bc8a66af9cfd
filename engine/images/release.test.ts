import { readFileSync } from 'node:fs';
import { createCleartextMessage, generateKey, readPrivateKey, sign } from 'openpgp';
import { beforeAll, describe, expect, it } from 'vitest';
import { debianArchiveKeys } from './debian-keys';
import { verifyRelease } from './release';

let key: { privateKey: string; publicKey: string };
let other: { privateKey: string; publicKey: string };
const newKey = (name: string) => generateKey({ type: 'ecc', curve: 'ed25519Legacy', userIDs: [{ name }], format: 'armored' });
beforeAll(async () => {
  key = await newKey('archive');
  other = await newKey('somebody');
});

const now = new Date();
const release = (fields: Record<string, string> = {}): string =>
  Object.entries({
    Codename: 'trixie',
    Date: new Date(now.getTime() - 3600_000).toUTCString(),
    'Acquire-By-Hash': 'yes',
    Architectures: 'all amd64 riscv64',
    SHA256: `\n ${'a'.repeat(64)}  1234 main/binary-riscv64/Packages.xz\n ${'b'.repeat(64)} 99 main/other`,
    ...fields,
  })
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');

async function signed(text: string, ...keys: { privateKey: string }[]): Promise<string> {
  const signingKeys = await Promise.all(keys.map(({ privateKey }) => readPrivateKey({ armoredKey: privateKey })));
  return sign({ message: await createCleartextMessage({ text }), signingKeys });
}

describe('a suite’s signed index', () => {
  it('is read when one of the signatures is by a known key', async () => {
    const found = await verifyRelease(await signed(release(), other, key), [key.publicKey], now);
    expect(found).toMatchObject({ codename: 'trixie', architectures: ['all', 'amd64', 'riscv64'], byHash: true });
    expect(found.files.get('main/binary-riscv64/Packages.xz')).toEqual({ size: 1234, sha256: 'a'.repeat(64) });
  });

  it('is refused when it is not signed by a known key', async () => {
    await expect(verifyRelease(await signed(release(), other), [key.publicKey], now)).rejects.toThrow(/not signed by the Debian archive/);
  });

  it('is refused when it was changed after signing', async () => {
    const text = (await signed(release(), key)).replace('1234', '1235');
    await expect(verifyRelease(text, [key.publicKey], now)).rejects.toThrow(/not signed by the Debian archive/);
  });

  it.each(['', '<html>captive portal</html>', 'Codename: trixie\n'])('is refused when it is not signed at all (%j)', async (text) => {
    await expect(verifyRelease(text, [key.publicKey], now)).rejects.toMatchObject({ kind: 'Network' });
  });

  it('is read without what stands outside the signature', async () => {
    const text = `Codename: sid\n\n${await signed(release(), key)}`;
    expect((await verifyRelease(text, [key.publicKey], now)).codename).toBe('trixie');
  });

  it('is refused after its Valid-Until, or when it comes from the future', async () => {
    const expired = await signed(release({ 'Valid-Until': new Date(now.getTime() - 1000).toUTCString() }), key);
    await expect(verifyRelease(expired, [key.publicKey], now)).rejects.toThrow(/expired on/);
    const future = await signed(release({ Date: new Date(now.getTime() + 48 * 3600_000).toUTCString() }), key);
    await expect(verifyRelease(future, [key.publicKey], now)).rejects.toThrow(/set the clock/);
  });

  it('is refused when fields are missing or unreadable', async () => {
    await expect(verifyRelease(await signed(release({ Date: 'yesterday' }), key), [key.publicKey], now)).rejects.toThrow(/unreadable Date/);
    await expect(verifyRelease(await signed('Codename: trixie', key), [key.publicKey], now)).rejects.toThrow(/has no field Date/);
  });

  it('is checked by default against the keys whose fingerprints the README lists', async () => {
    const { readKeys } = await import('openpgp');
    const keys = (await Promise.all(debianArchiveKeys.map((armoredKeys) => readKeys({ armoredKeys })))).flat();
    const readme = readFileSync(new URL('../../resources/debian-archive/README.md', import.meta.url), 'utf8').replaceAll(' ', '');
    expect(keys.length).toBe(3);
    for (const found of keys) expect(readme).toContain(found.getFingerprint().toUpperCase());
  });
});
