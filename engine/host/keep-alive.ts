/** The longest that a timer may be set to, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/**
 * Keep the process alive until a promise settles, and return it. From Node 24 on V8's asynchronous WebAssembly compiler does not do so:
 * where nothing else holds the process, it ends with code 13 in the middle of the compilation.
 */
export function keepAlive<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, LONGEST);
  return promise.finally(() => clearInterval(timer));
}
