/** What the code of the tests asks of Node's `process`, for a page, which has none. */
(globalThis as { process?: unknown }).process ??= {
  env: {},
  cpuUsage: () => ({ user: performance.now() * 1000, system: 0 }),
};
