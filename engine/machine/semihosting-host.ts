import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { reasonOf } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import type { SemihostingReply, SemihostingRequest } from '../hart/semihosting';
import { ConfinedFolder } from '../host/confined-folder';

/** Linux's numbers of errors, by their names. */
const ERRORS: Record<string, number> = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  ENAMETOOLONG: 36,
  ELOOP: 40,
  EDQUOT: 122,
};
const HANDLES_MAX = 64;
/** The terminal, and what this implementation can do (Semihosting §2.3.2): exit codes, and stdout apart from stderr. */
const TERMINAL = ':tt';
const FEATURES = ':semihosting-features';
const FEATURE_BYTES = Buffer.from([0x53, 0x48, 0x46, 0x42, 0x03]);
/** Flags of open(2) for the modes r, r+, w, w+, a and a+, each of which comes twice: as text and binary. */
const MODES = [
  constants.O_RDONLY,
  constants.O_RDWR,
  constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC,
  constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
  constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND,
  constants.O_RDWR | constants.O_CREAT | constants.O_APPEND,
];
/** Input that a program has not read yet, in bytes, beyond which the sender is to wait. */
const INPUT_HIGH_WATER = 65536;

interface FeatureFile {
  kind: 'features';
  position: number;
}
interface RegularFile {
  kind: 'file';
  file: FileHandle;
  position: number;
  appends: boolean;
}
type OpenFile = { kind: 'input' | 'output' } | FeatureFile | RegularFile;

/** What is asked of something that is open. */
type FileRequest = Extract<SemihostingRequest, { op: 'terminal' | 'length' | 'seek' | 'write' | 'read' }>;

export interface SemihostingConsole {
  /** A promise asks to wait. */
  write(data: Uint8Array): Promise<void> | undefined;
  /** From now on what is typed goes to receive(). */
  takeInput(): void;
  /** After receive() returned false there is room again. */
  drained(): void;
}

export interface SemihostingHostOptions {
  /** The only folder that programs reach; without one there are no files. */
  folder: ConfinedFolder | undefined;
  console: SemihostingConsole;
  exit: (code: number) => void;
  warn: (warning: VmError) => void;
}

/** Serves the semihosting calls of a machine's harts, on the device thread and without ever keeping it. */
export class SemihostingHost {
  private files: (OpenFile | undefined)[] = [];
  private input: Uint8Array[] = [];
  private inputBytes = 0;
  private inputIsOurs = false;
  private senderWaits = false;
  private toldOfFolder = false;
  /** Those that wait for input, in order. */
  private readonly readers: ((end: boolean) => void)[] = [];
  /** What was asked of files so far is done. */
  private last: Promise<unknown> = Promise.resolve();
  /** Which start of the machine it is: what belongs to one before is not answered for. */
  private start = 0;

  constructor(private readonly options: SemihostingHostOptions) {
    this.reset();
  }

  /** The folder that the user allows; undefined where none is named. Throws VmError 'Config' where it cannot be used. */
  static async openFolder(path: string | undefined): Promise<ConfinedFolder | undefined> {
    if (path === undefined) return undefined;
    try {
      return await ConfinedFolder.open(path);
    } catch (cause) {
      throw new VmError('Config', `The folder for semihosting, ${path}, cannot be used: ${reasonOf(cause)}. Name one that exists.`, {
        cause,
        code: 'semihosting-folder',
        params: { path },
      });
    }
  }

  /** As after power-on: everything is closed, and the terminal has the handles that programs of C begin with. */
  reset(): void {
    this.start++;
    const before = this.files;
    this.files = [{ kind: 'input' }, { kind: 'output' }, { kind: 'output' }];
    this.input = [];
    this.inputBytes = 0;
    this.inputIsOurs = false;
    this.toldOfFolder = false;
    for (const reader of this.readers.splice(0)) reader(true);
    void this.inTurn(async () => {
      for (const file of before) if (file?.kind === 'file') await file.file.close().catch(() => undefined);
    });
  }

  /** Resolves when everything is closed. */
  async close(): Promise<void> {
    this.reset();
    await this.last;
    await this.options.folder?.close();
  }

  /** Typed input, once the program reads it here; false asks the sender to wait. */
  receive(data: Uint8Array): boolean {
    this.input.push(data);
    this.inputBytes += data.length;
    this.readers.shift()?.(false);
    this.senderWaits = this.inputBytes >= INPUT_HIGH_WATER;
    return !this.senderWaits;
  }

  /** Answer a request; never throws. */
  async serve(request: SemihostingRequest): Promise<SemihostingReply> {
    try {
      return await this.perform(request);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      return { value: -1, error: ERRORS[code] ?? ERRORS['EIO'] };
    }
  }

  private async perform(request: SemihostingRequest): Promise<SemihostingReply> {
    switch (request.op) {
      case 'print':
        await this.options.console.write(request.data);
        return { value: request.data.length };
      case 'character': {
        const data = await this.readInput(1);
        return data.length === 0 ? refuse('EIO') : { value: data[0] };
      }
      case 'exit':
        this.options.exit(request.code);
        // The program does not go on.
        return new Promise(() => undefined);
      case 'refuse':
        this.warnOfRefusal(request.number);
        return { value: 0 };
      case 'open':
        return this.open(textOf(request.path), request.mode);
      case 'close':
        return this.closeFile(request.handle);
      case 'remove':
      case 'rename': {
        const folder = this.folderFor(request.op === 'remove' ? request.path : request.from);
        if (!folder) return refuse('EACCES');
        await this.inTurn(() =>
          request.op === 'remove' ? folder.remove(textOf(request.path)) : folder.rename(textOf(request.from), textOf(request.to)),
        );
        return { value: 0 };
      }
      default:
        return this.performOn(request);
    }
  }

  private async performOn(request: FileRequest): Promise<SemihostingReply> {
    const open = this.files[request.handle];
    if (!open) return refuse('EBADF');
    switch (open.kind) {
      case 'file':
        return this.inTurn(() => onFile(open, request));
      case 'features':
        return onFeatures(open, request);
      default:
        return this.onTerminal(open.kind === 'input', request);
    }
  }

  private async onTerminal(isInput: boolean, request: FileRequest): Promise<SemihostingReply> {
    switch (request.op) {
      case 'terminal':
        return { value: 1 };
      case 'read':
        return isInput ? answer(await this.readInput(request.length)) : refuse('EBADF');
      case 'write':
        if (isInput) return refuse('EBADF');
        await this.options.console.write(request.data);
        return { value: request.data.length };
      case 'seek':
        return refuse('ESPIPE');
      case 'length':
        return refuse('EINVAL');
    }
  }

  private async open(name: string, mode: number): Promise<SemihostingReply> {
    const way = mode >> 1;
    const flags = MODES[way];
    if (name === TERMINAL) return this.keep({ kind: way < 2 ? 'input' : 'output' });
    if (name === FEATURES) return way === 0 ? this.keep({ kind: 'features', position: 0 }) : refuse('EACCES');
    const folder = this.folderFor(Buffer.from(name));
    if (!folder) return refuse('EACCES');
    if (this.freeHandle() === undefined) return refuse('EMFILE');
    const { start } = this;
    const file = await this.inTurn(() => folder.openFile(name, flags));
    if (start !== this.start) {
      await file.close();
      return refuse('EIO');
    }
    const reply = this.keep({ kind: 'file', file, position: 0, appends: (flags & constants.O_APPEND) !== 0 });
    if (reply.error !== undefined) await file.close();
    return reply;
  }

  private async closeFile(handle: number): Promise<SemihostingReply> {
    const open = this.files[handle];
    if (!open) return refuse('EBADF');
    this.files[handle] = undefined;
    if (open.kind === 'file') await this.inTurn(() => open.file.close());
    return { value: 0 };
  }

  private keep(file: OpenFile): SemihostingReply {
    const handle = this.freeHandle();
    if (handle === undefined) return refuse('EMFILE');
    this.files[handle] = file;
    return { value: handle };
  }

  /** Zero is none: to some programs it is a failure. */
  private freeHandle(): number | undefined {
    for (let handle = 1; handle < HANDLES_MAX; handle++) if (!this.files[handle]) return handle;
    return undefined;
  }

  private folderFor(path: Uint8Array): ConfinedFolder | undefined {
    const { folder, warn } = this.options;
    if (!folder && !this.toldOfFolder) {
      this.toldOfFolder = true;
      const name = textOf(path)
        .replaceAll(/[^\x20-\x7e]/g, '?')
        .slice(0, 100);
      warn(
        new VmError(
          'Guest',
          `The program wants the file ${JSON.stringify(name)} by semihosting, and may use none. Allow it a folder with --semihosting-folder FOLDER.`,
          { code: 'semihosting-no-folder', params: { name } },
        ),
      );
    }
    return folder;
  }

  private warnOfRefusal(number: number): void {
    const operation = `0x${number.toString(16)}`;
    this.options.warn(
      new VmError(
        'Guest',
        number === 0x12
          ? 'The program wants to run a command on this computer by semihosting (SYS_SYSTEM). That is never done.'
          : `The program asks for the semihosting operation ${operation}, which there is not.`,
        { code: 'semihosting-refused', params: { operation } },
      ),
    );
  }

  /** What is there of the input, at least one byte; nothing where the machine starts anew meanwhile. */
  private async readInput(length: number): Promise<Uint8Array> {
    if (length === 0) return new Uint8Array();
    if (!this.inputIsOurs) {
      this.inputIsOurs = true;
      this.options.console.takeInput();
    }
    while (this.inputBytes === 0) {
      const end = await new Promise<boolean>((resolve) => this.readers.push(resolve));
      if (end) return new Uint8Array();
    }
    const all = Buffer.concat(this.input);
    const taken = Uint8Array.from(all.subarray(0, length));
    this.inputBytes = all.length - taken.length;
    this.input = this.inputBytes === 0 ? [] : [all.subarray(taken.length)];
    if (this.inputBytes > 0) this.readers.shift()?.(false);
    if (this.senderWaits && this.inputBytes < INPUT_HIGH_WATER / 2) {
      this.senderWaits = false;
      this.options.console.drained();
    }
    return taken;
  }

  /** Do something with files when all that was asked before is done. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }
}

async function onFile(open: RegularFile, request: FileRequest): Promise<SemihostingReply> {
  switch (request.op) {
    case 'terminal':
      return { value: 0 };
    case 'length':
      return { value: (await open.file.stat()).size };
    case 'seek':
      open.position = request.position;
      return { value: 0 };
    case 'write':
      return { value: await writeAll(open, request.data) };
    case 'read':
      return answer(await readPiece(open, request.length));
  }
}

function onFeatures(open: FeatureFile, request: FileRequest): SemihostingReply {
  switch (request.op) {
    case 'terminal':
      return { value: 0 };
    case 'length':
      return { value: FEATURE_BYTES.length };
    case 'seek':
      if (request.position > FEATURE_BYTES.length) return refuse('EINVAL');
      open.position = request.position;
      return { value: 0 };
    case 'write':
      return refuse('EBADF');
    case 'read': {
      const data = Uint8Array.from(FEATURE_BYTES.subarray(open.position, open.position + request.length));
      open.position += data.length;
      return answer(data);
    }
  }
}

function refuse(error: keyof typeof ERRORS): SemihostingReply {
  return { value: -1, error: ERRORS[error] };
}

function answer(data: Uint8Array): SemihostingReply {
  return { value: data.length, data };
}

/** Names are bytes to a program; ours are UTF-8 and end at a NUL, if there is one. */
function textOf(path: Uint8Array): string {
  const end = path.indexOf(0);
  return Buffer.from(end < 0 ? path : path.subarray(0, end)).toString('utf8');
}

async function writeAll(open: RegularFile, data: Uint8Array): Promise<number> {
  let written = 0;
  while (written < data.length) {
    const { bytesWritten } = await open.file.write(data, written, data.length - written, open.appends ? null : open.position);
    written += bytesWritten;
    open.position = open.appends ? (await open.file.stat()).size : open.position + bytesWritten;
  }
  return written;
}

async function readPiece(open: RegularFile, length: number): Promise<Uint8Array> {
  const data = new Uint8Array(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await open.file.read(data, read, length - read, open.position);
    if (bytesRead === 0) break;
    read += bytesRead;
    open.position += bytesRead;
  }
  return data.subarray(0, read);
}
