import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'electron-vite';
import type { Plugin } from 'vite';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Entries of the Node side; workers and engine processes find each other by these names in out/main. */
const nodeEntries = {
  index: here('main/index.ts'),
  'engine-process': here('engine/runner/engine-process.ts'),
  'image-process': here('engine/catalogue/image-process.ts'),
  'hart-worker': here('engine/threads/hart-worker.ts'),
  'v8-trial': here('engine/threads/v8-trial.ts'),
  'inference-worker': here('engine/backend/inference/inference-worker.ts'),
  'compile-worker': here('engine/threads/compile-worker.ts'),
  engine: here('engine/index.ts'),
  cli: here('engine/cli/index.ts'),
  'hartbox-qemu': here('engine/cli/hartbox-qemu.ts'),
};

/** ONNX Runtime as it is: its script, which loads nothing else, and the one of its WebAssembly files that needs neither WebGPU nor JSPI. */
const onnxRuntime: Readonly<Record<string, string>> = {
  'onnxruntime.mjs': 'ort.wasm.bundle.min.mjs',
  'onnxruntime.wasm': 'ort-wasm-simd-threaded.wasm',
};
const takeOnnxRuntime: Plugin = {
  name: 'take-onnx-runtime',
  generateBundle() {
    for (const [fileName, from] of Object.entries(onnxRuntime)) {
      const bytes = readFileSync(here(`node_modules/onnxruntime-web/dist/${from}`));
      // Its map stays behind.
      const source = fileName.endsWith('.mjs') ? bytes.toString().replace(/\n\/\/# sourceMappingURL=.*/, '') : bytes;
      this.emitFile({ type: 'asset', fileName, source });
    }
  },
};

/** What is on the disc of guest tools, as it is: by folders of it. */
const guestTools: Readonly<Record<string, string>> = {
  '': 'resources/guest/tools',
  'modules/': 'resources/guest/modules',
  'ai/': 'resources/guest/ai',
};
const takeGuestTools: Plugin = {
  name: 'take-guest-tools',
  generateBundle() {
    rmSync(here('out/main/guest-tools'), { recursive: true, force: true });
    const take = (name: string, from: string): void => {
      this.emitFile({ type: 'asset', fileName: `guest-tools/${name}`, source: readFileSync(from) });
    };
    for (const [folder, from] of Object.entries(guestTools)) {
      for (const entry of readdirSync(here(from), { withFileTypes: true }))
        if (entry.isFile()) take(folder + entry.name, join(here(from), entry.name));
    }
    take('LICENSE', here('LICENSE'));
    take('ai/README.md', here('docs/ai.md'));
  },
};

// Targets are those of the oldest runtime that what is built has to run in: Electron 33, which is Node 20.18 and Chrome 130. (To build it
// takes a newer Node, see package.json.)
export default defineConfig({
  main: {
    plugins: [takeOnnxRuntime, takeGuestTools],
    build: {
      target: 'node20.18',
      // helpers.wasm, which `npm run build:wasm` puts here, must stay.
      emptyOutDir: false,
      // Found and read file by file, they took 35 ms of every start; and the installed command has no packages but koffi.
      externalizeDeps: { exclude: ['@noble/ciphers', '@noble/hashes', 'openpgp', 'xz-decompress', 'zod', 'zstddec'] },
      rolldownOptions: {
        input: Object.fromEntries(Object.entries(nodeEntries).filter(([, source]) => existsSync(source))),
        output: { entryFileNames: '[name].js', chunkFileNames: 'chunks/[name].js' },
      },
    },
  },
  preload: {
    build: {
      target: 'node20.18',
      // A sandboxed preload script can require nothing but electron: all in one CommonJS file.
      externalizeDeps: false,
      rolldownOptions: {
        input: { index: here('main/preload.ts') },
        output: { format: 'cjs', entryFileNames: '[name].cjs' },
      },
    },
  },
  renderer: {
    root: here('renderer'),
    plugins: [vue(), tailwindcss()],
    build: {
      target: 'chrome130',
      minify: true,
      chunkSizeWarningLimit: 2000,
      // Everything is a file: the content security policy allows no data URLs for fonts.
      assetsInlineLimit: 0,
      rolldownOptions: { input: here('renderer/index.html') },
    },
    define: {
      __VUE_OPTIONS_API__: 'false',
      __VUE_I18N_LEGACY_API__: 'false',
      __VUE_I18N_FULL_INSTALL__: 'false',
      __INTLIFY_JIT_COMPILATION__: 'true',
    },
  },
});
