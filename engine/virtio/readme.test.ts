import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { MockDriver } from '../../test/support/mock-driver';
import { describeLifecycle } from '../../test/support/virtio-lifecycle';
import type { VirtioSubjects } from '../../test/support/virtio-subjects';
import type { VirtioMachine, VirtioRow } from './registry';

/** The example of README.md is what a newcomer starts from: it compiles as it stands there, and is a device like any other. */

const virtio = dirname(fileURLToPath(import.meta.url));
const root = resolve(virtio, '../..');
const [device, row, subjects] = [...readFileSync(join(virtio, 'README.md'), 'utf8').matchAll(/^```ts\n((?:.|\n)*?)^```$/gm)].map(
  ([, code]) => code,
);

/** The example's files, by where they would stand; what is a part of a file gets its surroundings. */
const files = new Map([
  [join(virtio, 'devices/echo.ts'), device],
  [
    join(virtio, 'echo-row.ts'),
    `import { VirtioEcho } from './devices/echo';\nimport type { VirtioRow } from './registry';\nexport const rows = {\n${row}};\n`,
  ],
  [
    join(root, 'test/support/echo-subjects.ts'),
    `import { VirtioEcho } from '../../engine/virtio/devices/echo';\nimport type { VirtioSubjects } from './virtio-subjects';\n` +
      `export const subjects: Record<'echo', VirtioSubjects> = {\n${subjects}};\n`,
  ],
]);

function typeErrors(): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as { config: unknown };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const host = ts.createCompilerHost({ ...options, noEmit: true });
  host.readFile = (path) => files.get(path) ?? ts.sys.readFile(path);
  host.fileExists = (path) => files.has(path) || ts.sys.fileExists(path);
  const program = ts.createProgram([...files.keys()], { ...options, noEmit: true }, host);
  const errors = [...files.keys()].flatMap((path) => {
    const file = program.getSourceFile(path);
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
  });
  return errors.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

/** Writes the files to a folder of their own, where they import each other and the engine's sources, and imports the last two. */
async function load(): Promise<{ rows: { echo: VirtioRow }; subjects: { echo: VirtioSubjects } }> {
  const folder = mkdtempSync(join(tmpdir(), 'hartbox-readme-'));
  try {
    for (const [path, code] of files) {
      const absolute = code.replace(/from '(\.[^']+)'/g, (_, to: string) => {
        const target = `${resolve(dirname(path), to)}.ts`;
        return `from '${files.has(target) ? join(folder, basename(target)) : target}'`;
      });
      writeFileSync(join(folder, basename(path)), absolute);
    }
    const modules = ['echo-row.ts', 'echo-subjects.ts'].map((name) => import(/* @vite-ignore */ join(folder, name)));
    const [{ rows }, { subjects }] = (await Promise.all(modules)) as [
      { rows: { echo: VirtioRow } },
      { subjects: { echo: VirtioSubjects } },
    ];
    return { rows, subjects };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const example = await load();

describe('the example of README.md', () => {
  it('compiles', { timeout: 120_000 }, () => {
    expect(typeErrors()).toEqual([]);
  });

  it('gives back what it is sent', async () => {
    const [{ device }] = example.rows.echo.create({} as VirtioMachine);
    const driver = MockDriver.for(device).start();
    const chain = driver.queues[0].add({ readable: [Uint8Array.of(1, 2, 3)], writable: [8] });
    driver.queues[0].kick();
    expect(await driver.queues[0].waitUsed()).toMatchObject([{ written: 3 }]);
    expect([...driver.written(chain).subarray(0, 3)]).toEqual([1, 2, 3]);
    expect(driver.transport.readConfig(0, 4)).toBe(1);
  });
});

for (const subject of example.subjects.echo.lifecycle) describeLifecycle('the example of README.md', subject);
