import { DeviceState } from '../../../bus/device-state';
import { aead } from '../../../backend/crypto/aeads';
import { CIPHERS } from '../../../backend/crypto/ciphers';
import { asCryptoError, CryptoError, type CryptoFailure } from '../../../backend/crypto/crypto-error';
import { hash, mac } from '../../../backend/crypto/digests';
import { DeviceError } from '../../../errors/vm-error';
import type { ScatterGatherList } from '../../../memory/scatter-gather-list';
import { VirtioDevice } from '../../device';
import type { DescriptorChain } from '../../queue';
import {
  AEAD_NUMBERS,
  AKCIPHER_CREATE_SESSION,
  AKCIPHER_DESTROY_SESSION,
  BADMSG,
  CIPHER_NUMBERS,
  CONTROL_FIXED_BYTES,
  CONTROL_HEADER_BYTES,
  CREATE_SESSION,
  DATA_FIXED_BYTES,
  DATA_HEADER_BYTES,
  DECRYPT,
  DESTROY_SESSION,
  ENCRYPT,
  ERR,
  HASH_NUMBERS,
  INVSESS,
  KEY_REJECTED,
  MAC_NUMBERS,
  NOTSUPP,
  OK,
  RSA,
  type Service,
  SERVICES,
  SIGN,
  SYM_OP_CIPHER,
  VERIFY,
} from './protocol';
import { AKCIPHER_KEY_MAX, CIPHER_KEY_MAX, MAC_KEY_MAX, type Session, type SessionParameters, Sessions, sessionsSchema } from './sessions';

const CONTROL_QUEUE = 1;
/** Most bytes of one request: of the slowest algorithm some 10 ms. */
export const CRYPTO_REQUEST_MAX = 256 << 10;
/** After so many milliseconds of work others get their turn. */
const SLICE_MS = 4;

const STATUS_OF: Readonly<Record<CryptoFailure, number>> = {
  unsupported: NOTSUPP,
  wrong: ERR,
  unauthentic: BADMSG,
  rejected: KEY_REJECTED,
};

export interface VirtioCryptoOptions {
  /** Milliseconds from some moment on, without jumps. */
  clock?: () => number;
}

/**
 * The crypto device (virtio 1.3 §5.9): ciphers, hashes, MACs, authenticated encryption and RSA, all in sessions. Requests without one, chains
 * of cipher and hash, and IPsec are not offered; no driver is known that has them.
 *
 * Keys are overwritten when their session ends; those that the host's library works with it clears itself when it lets go of them.
 */
export class VirtioCrypto extends VirtioDevice {
  readonly name = 'virtio-crypto';
  readonly deviceId = 20;
  override readonly pciClass = 0x100000;
  readonly queueSizes = [256, 64];
  readonly #sessions = new Sessions();
  readonly #clock: () => number;

  override readonly state = new DeviceState(this, {
    version: 1,
    schema: sessionsSchema,
    save: () => this.#sessions.save(),
    load: (saved, refuse) => {
      try {
        return this.#sessions.load(saved);
      } catch (error) {
        return refuse(asCryptoError(error).message);
      }
    },
  });

  constructor({ clock = () => performance.now() }: VirtioCryptoOptions = {}) {
    super([], configuration());
    this.#clock = clock;
  }

  /** Sessions that the driver has opened. */
  get sessions(): number {
    return this.#sessions.size;
  }

  protected override onReset(): void {
    this.#sessions.clear();
  }

  protected override serve(index: number): void {
    const end = this.#clock() + SLICE_MS;
    for (let chain = this.take(index); chain; chain = this.take(index)) {
      let written = 0;
      try {
        written = index === CONTROL_QUEUE ? this.#control(chain) : this.#operate(chain);
      } finally {
        this.queue(index)?.complete(chain, written);
      }
      if (this.#clock() < end) continue;
      this.continueLater(index);
      return;
    }
  }

  #control({ readable, writable }: DescriptorChain): number {
    if (readable.length < CONTROL_FIXED_BYTES)
      throw DeviceError.InvalidParameter(`A control request has at least ${CONTROL_FIXED_BYTES} bytes, not ${readable.length}.`);
    const opcode = readable.readU32(0);
    const service = SERVICES.at(opcode >>> 8);
    const operation = opcode & 0xff;
    const [create, destroy] =
      service === 'akcipher' ? [AKCIPHER_CREATE_SESSION, AKCIPHER_DESTROY_SESSION] : [CREATE_SESSION, DESTROY_SESSION];
    if (service !== undefined && operation === destroy) {
      const isDone = this.#sessions.destroy(service, readable.readU64(CONTROL_HEADER_BYTES));
      return writable.copyFrom(Uint8Array.of(isDone ? OK : ERR));
    }
    const answer = new DataView(new ArrayBuffer(16));
    try {
      if (service === undefined || operation !== create) throw new CryptoError('unsupported', 'There is no such operation.');
      const id = this.#sessions.create(sessionParameters(service, readable));
      answer.setUint32(0, id >>> 0, true);
      answer.setUint32(4, Math.floor(id / 2 ** 32), true);
      answer.setUint32(8, OK, true);
    } catch (error) {
      answer.setUint32(8, STATUS_OF[asCryptoError(error).failure], true);
    }
    return writable.copyFrom(new Uint8Array(answer.buffer));
  }

  /** Returns how many bytes were written: the result, and the status behind where it might have reached. */
  #operate({ readable, writable }: DescriptorChain): number {
    if (readable.length < DATA_FIXED_BYTES || writable.length < 1)
      throw DeviceError.InvalidParameter(
        `A request has at least ${DATA_FIXED_BYTES} bytes and one for the answer, not ${readable.length} and ${writable.length}.`,
      );
    const room = writable.length - 1;
    let status = OK;
    let length = 0;
    try {
      const opcode = readable.readU32(0);
      const service = SERVICES.at(opcode >>> 8);
      const session = service && this.#sessions.find(service, readable.readU64(8));
      if (service === undefined) status = NOTSUPP;
      else if (!session) status = INVSESS;
      else {
        const result = OPERATIONS[service](session, opcode & 0xff, new Request(readable));
        if (result.length > room) throw new CryptoError('wrong', `The result has ${result.length} bytes, and there is room for ${room}.`);
        length = writable.copyFrom(result);
      }
    } catch (error) {
      status = STATUS_OF[asCryptoError(error).failure];
    }
    writable.writeU8(room, status);
    // A result may be shorter than its room; how long it is follows from what was written.
    return length + 1;
  }
}

/** A data request: its fixed part, and what lies behind that. What it says is read once, so that the guest cannot change it meanwhile. */
class Request {
  #at = DATA_FIXED_BYTES;
  #left = CRYPTO_REQUEST_MAX;

  constructor(private readonly readable: ScatterGatherList) {}

  /** A field, by its number among those of 4 bytes that depend on the operation. */
  field(number: number): number {
    return this.readable.readU32(DATA_HEADER_BYTES + 4 * number);
  }

  /** A copy of the next bytes. Throws CryptoError where there are not so many, or more than a request may have. */
  next(length: number): Uint8Array {
    if (length > this.#left || this.#at + length > this.readable.length)
      throw new CryptoError('wrong', `${length} bytes more are wanted of a request of ${this.readable.length}.`);
    const bytes = new Uint8Array(length);
    this.readable.copyTo(bytes, this.#at);
    this.#at += length;
    this.#left -= length;
    return bytes;
  }
}

type Operation = (session: Session, operation: number, request: Request) => Uint8Array;

function direction(operation: number): 'encrypt' | 'decrypt' {
  if (operation === ENCRYPT) return 'encrypt';
  if (operation === DECRYPT) return 'decrypt';
  throw new CryptoError('unsupported', `There is no operation ${operation}.`);
}

/** Results are cut off where the request says that they end (§5.9.7.4 to §5.9.7.8). */
const OPERATIONS: Readonly<Record<Service, Operation>> = {
  cipher: ({ algorithm, key }, operation, request) => {
    if (request.field(10) !== SYM_OP_CIPHER) throw new CryptoError('unsupported', 'Ciphers are not chained with hashes.');
    const iv = request.next(request.field(0));
    const result = CIPHERS[CIPHER_NUMBERS[algorithm]].apply(direction(operation), key, iv, request.next(request.field(1)));
    return fitting(result, request.field(2));
  },
  hash: ({ algorithm }, operation, request) => {
    if (operation !== 0) throw new CryptoError('unsupported', `There is no operation ${operation}.`);
    return hash(HASH_NUMBERS[algorithm], request.next(request.field(0)), request.field(1));
  },
  mac: ({ algorithm, key }, operation, request) => {
    if (operation !== 0) throw new CryptoError('unsupported', `There is no operation ${operation}.`);
    return mac(MAC_NUMBERS[algorithm], key, request.next(request.field(0)), request.field(1));
  },
  aead: ({ algorithm, key, resultBytes }, operation, request) => {
    const nonce = request.next(request.field(0));
    const data = request.next(request.field(2));
    const aad = request.next(request.field(1));
    return fitting(aead(AEAD_NUMBERS[algorithm], direction(operation), { key, nonce, aad, data, tagBytes: resultBytes }), request.field(3));
  },
  akcipher: ({ rsa }, operation, request) => {
    if (!rsa) throw new CryptoError('unsupported', 'There is no key pair.');
    const source = request.next(request.field(0));
    switch (operation) {
      case ENCRYPT:
        return fitting(rsa.encrypt(source), request.field(1));
      case DECRYPT:
        return fitting(rsa.decrypt(source), request.field(1));
      case SIGN:
        return fitting(rsa.sign(source), request.field(1));
      case VERIFY:
        rsa.verify(source, request.next(request.field(1)));
        return new Uint8Array(0);
      default:
        throw new CryptoError('unsupported', `There is no operation ${operation}.`);
    }
  },
};

function fitting(result: Uint8Array, room: number): Uint8Array {
  if (result.length <= room) return result;
  throw new CryptoError('wrong', `The result has ${result.length} bytes, and the request takes ${room}.`);
}

/** What a control request says of the session to be made (§5.9.7.2.1). */
function sessionParameters(service: Service, readable: ScatterGatherList): SessionParameters {
  const field = (number: number): number => readable.readU32(CONTROL_HEADER_BYTES + 4 * number);
  const none = { key: new Uint8Array(0), resultBytes: 0, isPrivate: false, isPadded: false, hash: 0 };
  const algorithm = field(0);
  const key = (bytes: number, most: number): Uint8Array => {
    if (bytes > most || CONTROL_FIXED_BYTES + bytes > readable.length) throw new CryptoError('wrong', `There is no key of ${bytes} bytes.`);
    const key = new Uint8Array(bytes);
    readable.copyTo(key, CONTROL_FIXED_BYTES);
    return key;
  };
  switch (service) {
    case 'cipher':
      if (field(12) !== SYM_OP_CIPHER) throw new CryptoError('unsupported', 'Ciphers are not chained with hashes.');
      return { ...none, service, algorithm, key: key(field(1), CIPHER_KEY_MAX) };
    case 'hash':
      return { ...none, service, algorithm, resultBytes: field(1) };
    case 'mac':
      return { ...none, service, algorithm, resultBytes: field(1), key: key(field(2), MAC_KEY_MAX) };
    case 'aead':
      return { ...none, service, algorithm, key: key(field(1), CIPHER_KEY_MAX), resultBytes: field(2) };
    case 'akcipher': {
      const [keyType, keyBytes, padding, digest] = [1, 2, 3, 4].map(field);
      if ((keyType !== 1 && keyType !== 2) || padding > 1) throw new CryptoError('unsupported', 'There is no such key or padding.');
      const isPadded = padding === 1;
      return {
        ...none,
        service,
        algorithm,
        key: key(keyBytes, AKCIPHER_KEY_MAX),
        isPrivate: keyType === 2,
        isPadded,
        hash: isPadded ? digest : 0,
      };
    }
  }
}

/** §5.9.5. */
function configuration(): DataView<ArrayBuffer> {
  const config = new DataView(new ArrayBuffer(56));
  const mask = (numbers: Readonly<Record<number, unknown>>): [number, number] => {
    const words: [number, number] = [0, 0];
    for (const number of Object.keys(numbers).map(Number)) words[number >> 5] |= 1 << (number & 31);
    return words;
  };
  const fields = [
    1, // It is ready.
    1, // Data queues.
    (1 << SERVICES.length) - 1,
    ...mask(CIPHER_NUMBERS),
    mask(HASH_NUMBERS)[0],
    ...mask(MAC_NUMBERS),
    mask(AEAD_NUMBERS)[0],
    CIPHER_KEY_MAX,
    MAC_KEY_MAX,
    1 << RSA,
    CRYPTO_REQUEST_MAX,
    0,
  ];
  for (const [i, field] of fields.entries()) config.setUint32(4 * i, field, true);
  return config;
}
