import { defineConfig } from 'vitest/config';

// The first boot fetches the built-in Linux, once for all.
export default defineConfig({ test: { testTimeout: 60_000, hookTimeout: 600_000 } });
