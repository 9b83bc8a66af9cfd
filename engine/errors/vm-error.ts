/**
 * Every failure of the engine is a VmError: a kind that a caller can branch on, and a message for people that
 * says what happened, what was expected and what to do.
 */
export type VmErrorKind =
  /** The configuration is wrong: a value out of range, options that exclude each other. */
  | 'Config'
  /** A file that the user named is missing, unreadable, truncated or of the wrong format. */
  | 'Image'
  /** The host refused something: memory, a file, disk space, a lock held by another process. */
  | 'Resource'
  /** An operation that the machine's present state does not allow. */
  | 'State'
  /** The guest did something from which the machine cannot go on. */
  | 'Guest'
  /** Download or verification failed. */
  | 'Network'
  /** A device failed; see DeviceError. */
  | 'Device'
  /** A defect of the engine itself. */
  | 'Internal';

export interface VmErrorOptions {
  cause?: unknown;
  /**
   * What happened, for programs and translations: `error.CODE` in the window's texts (renderer/locales/errors), with `params` in it: values as
   * they are, paths and names; amounts of bytes are called `…Bytes`. What no user can meet needs none.
   */
  code?: string | undefined;
  params?: Readonly<Record<string, string | number>> | undefined;
}

export class VmError extends Error {
  override readonly name: string = 'VmError';
  readonly code: string | undefined;
  readonly params: Readonly<Record<string, string | number>> | undefined;

  constructor(
    readonly kind: VmErrorKind,
    message: string,
    options?: VmErrorOptions,
  ) {
    super(message, options);
    this.code = options?.code;
    this.params = options?.params;
  }

  static config(message: string, options?: VmErrorOptions): VmError {
    return new VmError('Config', message, options);
  }
}

export type DeviceErrorCode = 'IoError' | 'InvalidParameter' | 'NotSupported';

/** A device's failure. `throw DeviceError.IoError('…', { cause })`; branch on `error.code`. */
export class DeviceError extends VmError {
  override readonly name = 'DeviceError';

  declare readonly code: DeviceErrorCode;
  /** What happened, for translations: what `code` is for all other errors. */
  readonly text: string | undefined;

  constructor(code: DeviceErrorCode, message: string, options?: VmErrorOptions) {
    super('Device', message, { ...options, code });
    this.text = options?.code;
  }

  static IoError(message: string, options?: VmErrorOptions): DeviceError {
    return new DeviceError('IoError', message, options);
  }
  static InvalidParameter(message: string, options?: VmErrorOptions): DeviceError {
    return new DeviceError('InvalidParameter', message, options);
  }
  static NotSupported(message: string, options?: VmErrorOptions): DeviceError {
    return new DeviceError('NotSupported', message, options);
  }
}
