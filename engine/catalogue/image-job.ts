import type { Patience } from '../images/download';
import type { V8Verdict } from '../threads/v8-verdict-schema';
import type { ImageProgress } from './progress';

export interface FetchOptions {
  /** Make or fetch it anew, of what the servers have now. */
  update?: boolean | undefined;
  onProgress?: ((progress: ImageProgress) => void) | undefined;
  /** What a machine that makes an image prints. */
  onOutput?: ((text: string) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Of Debian: the one mirror to use, and the keys that may sign its suite. */
  mirror?: string | undefined;
  keys?: readonly string[] | undefined;
  patience?: Patience | undefined;
  /** The flags that V8 runs harts with, where they are known already. */
  v8?: V8Verdict | undefined;
}

/** What is put into a folder that is to become an image's. */
export interface MadeImage {
  /** The same for the same contents: 16 hexadecimal digits. */
  identity: string;
  file: 'disk.qcow2' | 'disk.img' | 'disc.iso';
  format: 'qcow2' | 'raw';
}

/** What makes an image: the work that goes on in `folder`, which becomes the image's. */
export interface ImageJob extends FetchOptions {
  dataDirectory: string;
  /** For what is fetched, and kept until the image is there. */
  cache: string;
  folder: string;
  report: (progress: ImageProgress) => void;
}
