import { hostLibrary } from '../host/host-library';

/** The part of koffi's libraries that is needed here. */
interface NativeLibrary {
  func(definition: string): (...args: unknown[]) => unknown;
}

/** How memory of this process is given back to the host, though it stays in use. */
export interface HostPages {
  /** Bytes of the pages that the host can have back; a power of two. */
  readonly pageBytes: number;
  /**
   * Let the host have the memory of `bytes`, whole pages of it. What they then hold is not defined: zeros, or what they held. When they are
   * used again they come back by themselves. False where the host would not have it.
   */
  release(bytes: Uint8Array): boolean;
}

/** Linux, on all processors that Node runs on. Pages of 64 KiB are the largest there are, on ARM. */
const MADV_DONTNEED = 4;
/** macOS: pages of 16 KiB on ARM; its accounting shows them as free at once, and they are taken again without a word. */
const MADV_FREE = 5;
const MAC_PAGE_BYTES = 16384;
const WINDOWS_PAGE_BYTES = 4096;

/** What this host offers; undefined where it offers nothing, or the optional package koffi is missing. */
export function hostPages(): HostPages | undefined {
  return pagesOf(process.platform, process.arch, hostLibrary());
}

export function pagesOf(platform: NodeJS.Platform, arch: string, library: NativeLibrary | undefined): HostPages | undefined {
  if (!library) return undefined;
  if (platform === 'linux' || platform === 'darwin') {
    const madvise = library.func('int madvise(void *address, size_t length, int advice)');
    const advice = platform === 'linux' ? MADV_DONTNEED : MADV_FREE;
    const pageBytes = platform === 'darwin' ? MAC_PAGE_BYTES : arch === 'x64' ? 4096 : 65536;
    return { pageBytes, release: (bytes) => madvise(bytes, bytes.length, advice) === 0 };
  }
  if (platform === 'win32') {
    const discard = library.func('uint32_t __stdcall DiscardVirtualMemory(void *address, size_t length)');
    return { pageBytes: WINDOWS_PAGE_BYTES, release: (bytes) => discard(bytes, bytes.length) === 0 };
  }
  return undefined;
}
