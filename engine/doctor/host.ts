import type { Recovery } from '../runner/recovery';
import type { V8Verdict } from '../threads/v8-verdict-schema';

/** What WebAssembly can do here, without any flag set. */
export interface V8Features {
  threads: boolean;
  simd: boolean;
  relaxedSimd: boolean;
  memory64: boolean;
  tailCalls: boolean;
}

/** One box, as far as the Doctor looks. `problem`: its settings cannot be used, or whoever holds it does not answer. */
export interface BoxHealth {
  name: string;
  problem?: { kind: 'unusable' | 'unreachable'; why: string };
}

/** What the window can draw with; only the app knows. */
export interface Graphics {
  /** What WebGL says that it draws with; null where there is no WebGL. */
  renderer: string | null;
}

/**
 * All that the Doctor asks of the computer that it runs on: its one way there, so that tests can bring about every finding. What throws is
 * a finding too.
 */
export interface DoctorHost {
  readonly versions: { node: string; v8: string; electron?: string | undefined };
  /** Of this process. */
  readonly args: readonly string[];
  /** Range of Nodes that Hartbox runs on, as in package.json. */
  readonly nodeRange: string;
  readonly platform: NodeJS.Platform;
  readonly isRoot: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly dataFolder: string;
  features(): V8Features;
  v8Verdict(): Promise<V8Verdict>;
  processors(): number;
  /** Bytes. */
  memory(): { free: number; total: number };
  /** A file of the system's (/proc, /sys); undefined where there is none. */
  systemFile(path: string): Promise<string | undefined>;
  /** Make the data folder if need be, and write into it. Throws what the host says. */
  writeDataFolder(): Promise<void>;
  /** Bytes that this user can still write to the disk of the data folder. */
  diskRoom(): Promise<number>;
  /** Bytes a second that the disk of the data folder takes, to be safe there; takes some moments and at most 32 MiB. */
  diskSpeed(): Promise<number>;
  recover(): Promise<Recovery[]>;
  boxes(): Promise<BoxHealth[]>;
  hasGuest(): Promise<boolean>;
  nameServers(): string[];
  /** Addresses of mirrors, the first to be tried first. Throws VmError `Config` where what the user has set is none. */
  mirrors(): Promise<string[]>;
  /** Ask a mirror for something small. Throws why it does not answer. */
  askMirror(url: string): Promise<void>;
  /** Listen at a free port of 127.0.0.1, and end that. Throws what the host says. */
  listen(): Promise<void>;
  /** Open /dev/net/tun, and close it. Throws what the host says. */
  openTun(): Promise<void>;
  readonly graphics?: Graphics | undefined;
}
