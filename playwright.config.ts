import { defineConfig } from '@playwright/test';

/** The real app in the real Electron (test/e2e). Needs `npm run build` first; `npm test` does that. */
export default defineConfig({
  testDir: 'test/e2e',
  // HARTBOX_SCREENSHOT=1 makes the picture in the README anew, instead of testing.
  testMatch: process.env.HARTBOX_SCREENSHOT ? 'readme-screenshot.ts' : '*.spec.ts',
  globalSetup: './test/e2e/support/global-setup.ts',
  outputDir: 'test-results',
  // Each test has machines of its own to run, which wait much; on a display that there is, they would take the focus from each other.
  workers: process.platform === 'linux' && !process.env['DISPLAY'] && !process.env['WAYLAND_DISPLAY'] ? 2 : 1,
  // As vitest.config.ts has it.
  retries: process.env['CI'] === 'true' ? 1 : 0,
  fullyParallel: false,
  timeout: 240_000,
  expect: { timeout: 45_000 },
  reporter: [['list']],
});
