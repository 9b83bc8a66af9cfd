import { createCipheriv, createHash, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type AeadName, aead } from './aeads';
import { CIPHERS } from './ciphers';
import { type HashName, hash, mac } from './digests';
import { Rsa } from './rsa';

/** Node's own library (OpenSSL) knows what Electron's does not: it tells whether what is made of the rest is right. */

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('ciphers', () => {
  it.each([
    ['aes-xts', 'aes-128-xts', 32],
    ['aes-xts', 'aes-256-xts', 64],
    ['aes-ctr', 'aes-192-ctr', 24],
    ['aes-cbc', 'aes-256-cbc', 32],
    ['3des-cbc', 'des-ede3-cbc', 24],
  ] as const)('%s is what OpenSSL calls %s', (name, native, keyBytes) => {
    const { unit, ivBytes } = CIPHERS[name];
    for (const length of [16, 17, 31, 32, 33, 512, 4096, 5000]) {
      const [key, iv, data] = [randomBytes(keyBytes), randomBytes(ivBytes), randomBytes(length - (length % unit))];
      const expected = createCipheriv(native, key, iv).setAutoPadding(false);
      const encrypted = CIPHERS[name].apply('encrypt', key, iv, data);
      expect(hexOf(encrypted)).toBe(hexOf(Buffer.concat([expected.update(data), expected.final()])));
      expect(hexOf(CIPHERS[name].apply('decrypt', key, iv, encrypted))).toBe(hexOf(data));
    }
  });

  it('DES is as the example of FIPS 46 that every textbook has', () => {
    const [key, data] = [hex('133457799bbcdff1'), hex('0123456789abcdef')];
    expect(hexOf(CIPHERS['des-ecb'].apply('encrypt', key, new Uint8Array(0), data))).toBe('85e813540f0ab405');
    const chained = CIPHERS['des-cbc'].apply('encrypt', key, hex('0000000000000001'), hex('0123456789abcdee'));
    expect(hexOf(chained)).toBe('85e813540f0ab405');
  });

  it('the counter of 3DES carries, and comes round', () => {
    const key = randomBytes(24);
    const stream = CIPHERS['3des-ctr'].apply('encrypt', key, hex('ffffffffffffffff'), new Uint8Array(20));
    const blocks = CIPHERS['3des-ecb'].apply('encrypt', key, new Uint8Array(0), hex('ffffffffffffffff 0000000000000000 0000000000000001'));
    expect(hexOf(stream)).toBe(hexOf(blocks.subarray(0, 20)));
    const carried = CIPHERS['3des-ctr'].apply('decrypt', key, hex('00000000000001ff'), new Uint8Array(16));
    expect(hexOf(carried)).toBe(
      hexOf(CIPHERS['3des-ecb'].apply('encrypt', key, new Uint8Array(0), hex('00000000000001ff 0000000000000200'))),
    );
  });

  it('say what is wrong with what they are given', () => {
    const cbc = CIPHERS['aes-cbc'];
    expect(() => cbc.apply('encrypt', new Uint8Array(15), new Uint8Array(16), new Uint8Array(16))).toThrow(/16 or 24 or 32/);
    expect(() => cbc.apply('encrypt', new Uint8Array(16), new Uint8Array(8), new Uint8Array(16))).toThrow(/vector/);
    expect(() => cbc.apply('encrypt', new Uint8Array(16), new Uint8Array(16), new Uint8Array(17))).toThrow(/multiple/);
    expect(() => CIPHERS['aes-xts'].apply('encrypt', randomBytes(32), new Uint8Array(16), new Uint8Array(15))).toThrow(/at least 16/);
    expect(cbc.apply('encrypt', new Uint8Array(16), new Uint8Array(16), new Uint8Array(0))).toHaveLength(0);
  });
});

describe('hashes and MACs', () => {
  it.each([
    ['md5', 16],
    ['sha1', 20],
    ['sha224', 28],
    ['sha256', 32],
    ['sha384', 48],
    ['sha512', 64],
    ['sha3-224', 28],
    ['sha3-256', 32],
    ['sha3-384', 48],
    ['sha3-512', 64],
    ['shake128', 100],
    ['shake256', 7],
  ] satisfies [HashName, number][])('%s', (name, bytes) => {
    const data = randomBytes(1000);
    const options = name.startsWith('shake') ? { outputLength: bytes } : {};
    expect(hexOf(hash(name, data, bytes))).toBe(createHash(name, options).update(data).digest('hex'));
    expect(() => hash(name, data, 0)).toThrow(/result of 0/);
    expect(() => hash(name, data, 2000)).toThrow(/result of 2000/);
  });

  it('CMAC with AES is that of RFC 4493', () => {
    const key = hex('2b7e151628aed2a6abf7158809cf4f3c');
    const text = hex(
      '6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51 30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710',
    );
    const macs = [0, 16, 40, 64].map((length) => hexOf(mac('cmac-aes', key, text.subarray(0, length), 16)));
    expect(macs).toEqual([
      'bb1d6929e95937287fa37d129b756746',
      '070a16b46b4d4144f79bdd9dd04a287c',
      'dfa66747de9ae63030ca32611497c827',
      '51f0bebf7e3b9d92fc49741779363cfe',
    ]);
  });

  it('CMAC with 3DES is that of NIST SP 800-38B', () => {
    const key = hex('8aa83bf8cbda1062 0bc1bf19fbb6cd58 bc313d4a371ca8b5');
    const text = hex('6bc1bee22e409f96 e93d7e117393172a ae2d8a571e03ac9c 9eb76fac45af8e51');
    const macs = [0, 8, 20, 32].map((length) => hexOf(mac('cmac-3des', key, text.subarray(0, length), 8)));
    expect(macs).toEqual(['b7a688e122ffaf95', '8e8f293136283797', '743ddbe0ce2dc2ed', '33e6b1092400eae5']);
  });

  it('XCBC is that of RFC 3566', () => {
    const key = hex('000102030405060708090a0b0c0d0e0f');
    const text = Uint8Array.from({ length: 34 }, (_, i) => i);
    const macs = [0, 3, 16, 20, 32].map((length) => hexOf(mac('xcbc-aes', key, text.subarray(0, length), 12)));
    expect(macs).toEqual([
      '75f0251d528ac01c4573dfd5',
      '5b376580ae2f19afe7219cee',
      'd2a246fa349b68a79998a439',
      '47f51b4564966215b8985c63',
      'f54f0ec8d2b9f3d36807734b',
    ]);
  });

  it('CBC-MAC is the last block of CBC', () => {
    const [key, data] = [randomBytes(16), randomBytes(40)];
    const whole = Buffer.concat([data, new Uint8Array(8)]);
    const chained = CIPHERS['aes-cbc'].apply('encrypt', key, new Uint8Array(16), whole);
    expect(hexOf(mac('cbcmac-aes', key, data, 16))).toBe(hexOf(chained.subarray(-16)));
  });
});

describe('authenticated encryption', () => {
  it.each([
    ['aes-gcm', 'aes-256-gcm', 32, 12, 16],
    ['aes-ccm', 'aes-128-ccm', 16, 13, 8],
    ['aes-ccm', 'aes-192-ccm', 24, 7, 16],
    ['chacha20-poly1305', 'chacha20-poly1305', 32, 12, 16],
  ] as const)('%s is what OpenSSL calls %s', (name, native, keyBytes, nonceBytes, tagBytes) => {
    for (const [length, aadLength] of [
      // Node's CCM cannot do without any text.
      [name === 'aes-ccm' ? 2 : 0, 5],
      [1, 0],
      [16, 16],
      [1000, 13],
      [300, 70_000],
    ]) {
      const [key, nonce, data, aad] = [randomBytes(keyBytes), randomBytes(nonceBytes), randomBytes(length), randomBytes(aadLength)];
      const other = createCipheriv(native as 'aes-128-ccm', key, nonce, { authTagLength: tagBytes });
      other.setAAD(aad, { plaintextLength: length });
      const expected = Buffer.concat([other.update(data), other.final(), other.getAuthTag()]);
      const given = { key, nonce, aad, tagBytes };
      const sealed = aead(name, 'encrypt', { ...given, data });
      expect(hexOf(sealed)).toBe(hexOf(expected));
      expect(hexOf(aead(name, 'decrypt', { ...given, data: sealed }))).toBe(hexOf(data));
      const broken = Uint8Array.from(sealed);
      broken[0] ^= 1;
      expect(() => aead(name, 'decrypt', { ...given, data: broken })).toThrow(expect.objectContaining({ failure: 'unauthentic' }));
    }
  });

  it('says what is wrong with what it is given', () => {
    const good = { key: new Uint8Array(16), nonce: new Uint8Array(12), aad: new Uint8Array(0), data: new Uint8Array(20), tagBytes: 16 };
    const refused = (name: AeadName, change: Partial<typeof good>): void => {
      expect(() => aead(name, 'decrypt', { ...good, ...change })).toThrow(expect.objectContaining({ failure: 'wrong' }));
    };
    refused('aes-gcm', { key: new Uint8Array(17) });
    refused('aes-gcm', { nonce: new Uint8Array(16) });
    refused('aes-gcm', { data: new Uint8Array(15) });
    refused('aes-ccm', { tagBytes: 5 });
    refused('aes-ccm', { nonce: new Uint8Array(14) });
    refused('chacha20-poly1305', {});
    expect(() => aead('aes-ccm', 'encrypt', { ...good, nonce: new Uint8Array(13), data: new Uint8Array(65536) })).toThrow(/too many/);
  });
});

describe('RSA', () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const [privateKey, publicKey] = [pair.privateKey, pair.publicKey].map((key) => key.export({ type: 'pkcs1', format: 'der' }));
  const bare = (key: Uint8Array, isPrivate: boolean): Rsa => new Rsa({ key, isPrivate, isPadded: false });
  const padded = (key: Uint8Array, isPrivate: boolean, hash?: 'sha1' | 'sha256'): Rsa => new Rsa({ key, isPrivate, isPadded: true, hash });

  it('gives back what it encrypted', () => {
    const text = randomBytes(100);
    const plain = bare(privateKey, true).decrypt(bare(publicKey, false).encrypt(text));
    expect(hexOf(plain)).toBe(hexOf(Buffer.concat([new Uint8Array(28), text])));
    expect(hexOf(padded(privateKey, true).decrypt(padded(publicKey, false).encrypt(text)))).toBe(hexOf(text));
    expect(hexOf(padded(privateKey, true).decrypt(padded(publicKey, false).encrypt(new Uint8Array(0))))).toBe('');
  });

  it('signs as others do, and knows their signatures', () => {
    const text = Buffer.from('what is signed');
    const digest = createHash('sha256').update(text).digest();
    const signature = padded(privateKey, true, 'sha256').sign(digest);
    expect(hexOf(signature)).toBe(hexOf(sign('sha256', text, pair.privateKey)));
    expect(verify('sha256', text, pair.publicKey, signature)).toBe(true);
    padded(publicKey, false, 'sha256').verify(signature, digest);
    const rejected = expect.objectContaining({ failure: 'rejected' });
    expect(() => padded(publicKey, false, 'sha256').verify(signature, createHash('sha256').digest())).toThrow(rejected);
    expect(() => padded(publicKey, false, 'sha256').verify(new Uint8Array(128), digest)).toThrow(rejected);
  });

  it('refuses what is no key, what does not fit, and the private half of a public key', () => {
    expect(() => bare(new Uint8Array(10), false)).toThrow(expect.objectContaining({ failure: 'wrong' }));
    expect(() => bare(publicKey, true)).toThrow(expect.objectContaining({ failure: 'wrong' }));
    expect(() => bare(publicKey, false).decrypt(new Uint8Array(128))).toThrow(/private/);
    expect(() => bare(publicKey, false).encrypt(new Uint8Array(129).fill(1))).toThrow(/too many/);
    expect(() => bare(publicKey, false).encrypt(new Uint8Array(128).fill(0xff))).toThrow(expect.objectContaining({ failure: 'wrong' }));
    expect(() => bare(privateKey, true).sign(new Uint8Array(20))).toThrow(expect.objectContaining({ failure: 'unsupported' }));
    expect(() => padded(privateKey, true, 'sha1').sign(new Uint8Array(32))).toThrow(/none of sha1/);
    expect(() => padded(publicKey, false).encrypt(new Uint8Array(118))).toThrow(/too many/);
    expect(() => padded(privateKey, true).decrypt(new Uint8Array(128))).toThrow(/padding/);
    const large = Buffer.concat([hex('3082020b0282020200'), new Uint8Array(513).fill(0xff), hex('0203010001')]);
    expect(() => bare(large, false)).toThrow(/4104 bits/);
  });

  /** RSAPrivateKey: each number has so many bytes that are not 0. */
  const madeUp = (...sizes: number[]): Buffer => {
    const item = (tag: number, bytes: Buffer): Buffer => {
      const head = Buffer.from([tag, 0x82, 0, 0]);
      head.writeUInt16BE(bytes.length, 2);
      return Buffer.concat([head, bytes]);
    };
    const number = (size: number): Buffer => item(2, size === 0 ? Buffer.alloc(1) : Buffer.alloc(size, 0x7b));
    return item(0x30, Buffer.concat([hex('020100'), ...sizes.map(number)]));
  };

  it.each([
    ['primes that are longer than the modulus', [512, 3, 500, 1500, 1500, 1500, 1500, 500]],
    ['one prime that is', [512, 3, 400, 3000, 64, 3000, 64, 64]],
    ['an exponent that is', [512, 3, 6000, 256, 256, 256, 256, 256]],
    ['primes that are 0, of which it says nothing', [512, 3, 0, 0, 0, 0, 0, 0]],
    ['a public exponent of its size', [512, 512, 512, 256, 256, 256, 256, 256]],
    ['unequal halves', [512, 3, 512, 480, 32, 480, 32, 32]],
  ])('takes no private key with %s, at which the library may work for seconds', (_, sizes) => {
    expect(() => bare(madeUp(...sizes), true)).toThrow(expect.objectContaining({ failure: 'wrong' }));
  });

  it('works at none of the keys that it takes for long', () => {
    const rsa = padded(madeUp(512, 3, 512, 256, 256, 256, 256, 256), true);
    const begun = performance.now();
    rsa.sign(new Uint8Array(20));
    expect(performance.now() - begun).toBeLessThan(1000);
  });
});
