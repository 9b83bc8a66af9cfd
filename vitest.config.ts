import { availableParallelism } from 'node:os';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vitest/config';
import { testHome } from './resources/setup/test-home.mjs';

/**
 * What drives programs of others in real time may fail once where nobody can look closer; the second try is shown (test.mjs). Nothing that
 * draws its input at random is tried again, for what it found would be lost.
 */
const retry = process.env['CI'] === 'true' ? 1 : 0;

/** For what may come to no end in one thread. */
const setupFiles = ['test/support/blocked-thread.ts'];

/** By itself Vitest leaves a core to nobody, which of two is half. */
const everyCore = { maxWorkers: availableParallelism(), sequence: { groupOrder: 1 } };

/** A machine has threads for its harts, its devices and its translator, and waits much: two at a time keep two cores busy. */
const twoMachines = { maxWorkers: 2, sequence: { groupOrder: 2 } };

/**
 * `unit` and `renderer` run on the sources and take seconds. `guest` and `conformance` start whole machines, whose
 * workers come from the build: run `npm run build` first (`npm test` does).
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{engine,main,test/support,test/bench,test/fuzz}/**/*.test.ts'],
          setupFiles,
          ...everyCore,
          testTimeout: 20_000,
          hookTimeout: 60_000,
        },
      },
      {
        plugins: [vue()],
        test: {
          name: 'renderer',
          include: ['renderer/**/*.test.ts'],
          environment: 'happy-dom',
          ...everyCore,
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'guest',
          include: ['test/guest/**/*.test.ts'],
          setupFiles,
          retry,
          env: { HARTBOX_HOME: testHome },
          ...twoMachines,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'matrix',
          include: ['test/matrix/**/*.test.ts'],
          setupFiles,
          retry,
          env: { HARTBOX_HOME: testHome },
          ...twoMachines,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'torture',
          include: ['test/torture/**/*.test.ts'],
          setupFiles,
          env: { HARTBOX_HOME: testHome },
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'conformance',
          include: ['test/conformance/**/*.test.ts'],
          setupFiles,
          ...twoMachines,
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
