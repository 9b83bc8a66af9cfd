import { createCipheriv, createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MockDriver } from '../../../../test/support/mock-driver';
import { CRYPTO_REQUEST_MAX, VirtioCrypto } from './device';
import { BADMSG, ERR, INVSESS, KEY_REJECTED, NOTSUPP, OK, SERVICES } from './protocol';
import { SESSIONS_MAX } from './sessions';

type Service = (typeof SERVICES)[number];

function words(bytes: number, fields: Readonly<Record<number, number>>): Uint8Array {
  const view = new DataView(new ArrayBuffer(bytes));
  for (const [at, value] of Object.entries(fields)) view.setUint32(Number(at), value, true);
  return new Uint8Array(view.buffer);
}

/** A driver of sessions and requests: fields are counted in words behind the header. */
class CryptoDriver {
  readonly driver: MockDriver;

  constructor(readonly device = new VirtioCrypto()) {
    this.driver = MockDriver.for(device).start();
  }

  private opcode(service: Service, operation: number): number {
    return SERVICES.indexOf(service) * 256 + operation;
  }

  async create(service: Service, fields: number[], key: Uint8Array = new Uint8Array(0)): Promise<{ status: number; id: number }> {
    const entries = fields.map((value, i) => [16 + 4 * i, value]);
    const request = words(72, { 0: this.opcode(service, service === 'akcipher' ? 4 : 2), ...Object.fromEntries(entries) });
    const answer = await this.ask(1, [request, key], [16]);
    const view = new DataView(answer.buffer, answer.byteOffset);
    return { id: view.getUint32(0, true), status: view.getUint32(8, true) };
  }

  async destroy(service: Service, id: number): Promise<number> {
    const request = words(72, { 0: this.opcode(service, service === 'akcipher' ? 5 : 3), 16: id });
    return (await this.ask(1, [request], [1]))[0];
  }

  async cipherSession(algorithm: number, key: Uint8Array): Promise<number> {
    const { status, id } = await this.create('cipher', [algorithm, key.length, 1, ...new Array<number>(9).fill(0), 1], key);
    expect(status).toBe(OK);
    return id;
  }

  async request(
    service: Service,
    operation: number,
    id: number,
    fields: number[],
    data: Uint8Array[],
    room: number,
  ): Promise<{ status: number; result: Uint8Array }> {
    const entries = fields.map((value, i) => [24 + 4 * i, value]);
    const header = words(72, { 0: this.opcode(service, operation), 8: id, ...Object.fromEntries(entries) });
    const queue = this.driver.queues[0];
    const chain = queue.add({ readable: [header, ...data.filter(({ length }) => length > 0)], writable: room > 0 ? [room, 1] : [1] });
    queue.kick();
    const [{ written }] = await queue.waitUsed();
    const answer = Uint8Array.from(this.driver.written(chain));
    return { status: answer[room], result: answer.subarray(0, written - 1) };
  }

  encrypt(id: number, iv: Uint8Array, data: Uint8Array, operation = 0): Promise<{ status: number; result: Uint8Array }> {
    const fields = [iv.length, data.length, data.length, 0, 0, 0, 0, 0, 0, 0, 1];
    return this.request('cipher', operation, id, fields, [iv, data], data.length);
  }

  private async ask(index: number, readable: Uint8Array[], writable: number[]): Promise<Uint8Array> {
    const queue = this.driver.queues[index];
    const chain = queue.add({ readable: readable.filter(({ length }) => length > 0), writable });
    queue.kick();
    await queue.waitUsed();
    return Uint8Array.from(this.driver.written(chain));
  }
}

describe('the crypto device', () => {
  it('says what it can', () => {
    const { driver } = new CryptoDriver();
    const config = Array.from({ length: 14 }, (_, i) => driver.transport.readConfig(4 * i, 4));
    expect(config).toEqual([1, 1, 0x1f, 0x23fc, 0, 0x1ffe, 0x600007e, 0x220000, 0xe, 64, 512, 2, CRYPTO_REQUEST_MAX, 0]);
  });

  it('encrypts and decrypts', async () => {
    const crypto = new CryptoDriver();
    const [key, iv, data] = [randomBytes(16), randomBytes(16), randomBytes(4096)];
    const id = await crypto.cipherSession(3, key);
    const { status, result } = await crypto.encrypt(id, iv, data);
    const other = createCipheriv('aes-128-cbc', key, iv).setAutoPadding(false);
    expect(status).toBe(OK);
    expect(Buffer.from(result).equals(other.update(data))).toBe(true);
    const back = await crypto.encrypt(id, iv, result, 1);
    expect(Buffer.from(back.result).equals(data)).toBe(true);
  });

  it('hashes, and authenticates', async () => {
    const crypto = new CryptoDriver();
    const data = randomBytes(100);
    const sha256 = await crypto.create('hash', [4, 32]);
    const { result } = await crypto.request('hash', 0, sha256.id, [100, 32], [data], 32);
    expect(Buffer.from(result).equals(createHash('sha256').update(data).digest())).toBe(true);
    const hmac = await crypto.create('mac', [4, 32, 20], new Uint8Array(20));
    expect((await crypto.request('mac', 0, hmac.id, [100, 32], [data], 32)).status).toBe(OK);
    const gcm = await crypto.create('aead', [1, 32, 16, 0, 1], randomBytes(32));
    const [nonce, aad] = [randomBytes(12), randomBytes(20)];
    const sealed = await crypto.request('aead', 0, gcm.id, [12, 20, 100, 116], [nonce, data, aad], 116);
    expect(sealed).toMatchObject({ status: OK, result: { length: 116 } });
    const opened = await crypto.request('aead', 1, gcm.id, [12, 20, 116, 100], [nonce, sealed.result, aad], 100);
    expect(Buffer.from(opened.result).equals(data)).toBe(true);
    sealed.result[3] ^= 1;
    const broken = await crypto.request('aead', 1, gcm.id, [12, 20, 116, 100], [nonce, sealed.result, aad], 100);
    expect(broken).toMatchObject({ status: BADMSG, result: { length: 0 } });
  });

  it('works with key pairs', async () => {
    const crypto = new CryptoDriver();
    const pair = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const [privateKey, publicKey] = [pair.privateKey, pair.publicKey].map((key) => key.export({ type: 'pkcs1', format: 'der' }));
    const signer = await crypto.create('akcipher', [1, 2, privateKey.length, 1, 5], privateKey);
    const checker = await crypto.create('akcipher', [1, 1, publicKey.length, 1, 5], publicKey);
    const digest = createHash('sha1').update('text').digest();
    const signature = (await crypto.request('akcipher', 2, signer.id, [20, 200], [digest], 200)).result;
    expect(signature).toHaveLength(128);
    expect(await crypto.request('akcipher', 3, checker.id, [128, 20], [signature, digest], 0)).toMatchObject({ status: OK });
    digest[0] ^= 1;
    expect(await crypto.request('akcipher', 3, checker.id, [128, 20], [signature, digest], 0)).toMatchObject({ status: KEY_REJECTED });
    const raw = await crypto.create('akcipher', [1, 2, privateKey.length, 0, 0], privateKey);
    const sealed = (await crypto.request('akcipher', 0, raw.id, [20, 128], [digest], 128)).result;
    const opened = (await crypto.request('akcipher', 1, raw.id, [128, 128], [sealed], 128)).result;
    expect(Buffer.from(opened.subarray(108)).equals(digest)).toBe(true);
    expect((await crypto.request('akcipher', 1, raw.id, [128, 127], [sealed], 128)).status).toBe(ERR);
  });

  it('answers what it cannot do with why', async () => {
    const crypto = new CryptoDriver();
    expect((await crypto.create('cipher', [1, 16, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], new Uint8Array(16))).status).toBe(NOTSUPP);
    expect((await crypto.create('cipher', [3, 16, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], new Uint8Array(16))).status).toBe(NOTSUPP);
    expect((await crypto.create('cipher', [3, 15, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], new Uint8Array(15))).status).toBe(ERR);
    expect((await crypto.create('cipher', [3, 32, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], new Uint8Array(16))).status).toBe(ERR);
    expect((await crypto.create('akcipher', [1, 2, 0xffff_ffff, 0, 0], new Uint8Array(16))).status).toBe(ERR);
    expect((await crypto.create('akcipher', [3, 1, 16, 0, 0], new Uint8Array(16))).status).toBe(NOTSUPP);
    const id = await crypto.cipherSession(3, new Uint8Array(16));
    const iv = new Uint8Array(16);
    expect((await crypto.encrypt(id + 1, iv, iv)).status).toBe(INVSESS);
    expect((await crypto.encrypt(id, iv, new Uint8Array(17))).status).toBe(ERR);
    expect((await crypto.encrypt(id, iv, iv, 7)).status).toBe(NOTSUPP);
    expect((await crypto.request('hash', 0, id, [16, 16], [iv], 16)).status).toBe(INVSESS);
    const tooLarge = [16, CRYPTO_REQUEST_MAX + 1, CRYPTO_REQUEST_MAX + 1, 0, 0, 0, 0, 0, 0, 0, 1];
    expect((await crypto.request('cipher', 0, id, tooLarge, [iv, iv], 16)).status).toBe(ERR);
    expect((await crypto.request('cipher', 0, id, [16, 16, 8, 0, 0, 0, 0, 0, 0, 0, 1], [iv, iv], 16)).status).toBe(ERR);
    expect(await crypto.destroy('hash', id)).toBe(ERR);
    expect(await crypto.destroy('cipher', id)).toBe(OK);
    expect(await crypto.destroy('cipher', id)).toBe(ERR);
  });

  it('has room for so many sessions, and forgets all of them at a reset', async () => {
    const crypto = new CryptoDriver();
    // By its state: the mock driver's memory has no room for so many requests.
    const session = { service: 'hash', algorithm: 4, key: '', resultBytes: 32, isPrivate: false, isPadded: false, hash: 0 };
    const sessions = Array.from({ length: SESSIONS_MAX }, (_, i) => ({ ...session, id: i + 1 }));
    crypto.device.state.restore({ version: 1, state: { next: SESSIONS_MAX + 1, sessions } });
    expect((await crypto.create('hash', [4, 32])).status).toBe(ERR);
    expect(await crypto.destroy('hash', 7)).toBe(OK);
    expect((await crypto.create('hash', [4, 32])).status).toBe(OK);
    crypto.driver.write('Status', 0);
    expect(crypto.device.sessions).toBe(0);
  });

  it('keeps its sessions in a saved state, and refuses one with a key that is none', async () => {
    const crypto = new CryptoDriver();
    const [key, iv, data] = [randomBytes(32), randomBytes(16), randomBytes(64)];
    const id = await crypto.cipherSession(3, key);
    const { result } = await crypto.encrypt(id, iv, data);
    const saved: unknown = JSON.parse(JSON.stringify(crypto.device.state.snapshot()));
    const other = new CryptoDriver();
    other.device.state.restore(saved);
    expect(Buffer.from((await other.encrypt(id, iv, result, 1)).result).equals(data)).toBe(true);
    const text = JSON.stringify(saved).replace('"cipher","algorithm":3', '"akcipher","algorithm":1');
    expect(() => other.device.state.restore(JSON.parse(text))).toThrow(/cannot be used here/);
    expect(other.device.sessions).toBe(1);
  });

  it('lets others have their turn while it works', async () => {
    let now = 0;
    const crypto = new CryptoDriver(new VirtioCrypto({ clock: () => now++ }));
    const { id } = await crypto.create('hash', [8, 32]);
    const queue = crypto.driver.queues[0];
    for (let i = 0; i < 20; i++)
      queue.add({ readable: [words(72, { 0: 0x100, 8: id, 24: 16, 28: 32 }), new Uint8Array(16)], writable: [32, 1] });
    queue.kick();
    expect(queue.takeUsed()).toHaveLength(4);
    expect(await queue.waitUsed(16)).toHaveLength(16);
  });

  it('survives requests with anything in their fields', async () => {
    const crypto = new CryptoDriver();
    const warnings: Error[] = [];
    crypto.device.on('warning', (warning) => warnings.push(warning));
    const size = fc.oneof(fc.constantFrom(0, 1, 12, 13, 16, 32, 64), fc.integer({ min: 0, max: 0xffff_ffff }));
    const field = fc.oneof({ weight: 3, arbitrary: size }, { weight: 2, arbitrary: fc.integer({ min: 0, max: 13 }) });
    const control = fc.record({ queue: fc.constant(1), operation: fc.constantFrom(2, 2, 3, 4, 4, 5) });
    const data = fc.record({ queue: fc.constant(0), operation: fc.integer({ min: 0, max: 4 }) });
    const request = fc.record({
      what: fc.oneof(control, data),
      service: fc.integer({ min: 0, max: 5 }),
      session: fc.integer({ min: 0, max: 8 }),
      fields: fc.array(field, { minLength: 12, maxLength: 12 }),
      isCipher: fc.boolean(),
      rest: fc.constantFrom(0, 16, 100, 300),
      room: fc.constantFrom(1, 16, 17, 64, 300),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 20, maxLength: 60 }), async (requests) => {
        const driver = MockDriver.for(crypto.device).start();
        for (const { what, service, session, fields, isCipher, rest, room } of requests) {
          const { queue: index, operation } = what;
          const offset = index === 1 ? 16 : 24;
          const entries = fields.map((value, i) => [offset + 4 * i, value]);
          const header = words(72, { ...Object.fromEntries(entries), 0: service * 256 + operation, 8: session });
          if (isCipher) header.set([1, 0, 0, 0], 64);
          const queue = driver.queues[index];
          queue.add({ readable: rest > 0 ? [header, new Uint8Array(rest)] : [header], writable: [room] });
          queue.kick();
          await queue.waitUsed();
        }
        await nextTurn();
        expect(warnings).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });
});
