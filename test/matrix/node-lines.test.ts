import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { lackOfNodeLines, nodeLines, nodeOfLine } from '../../resources/setup/node-lines.mjs';
import { freshHome, hartbox, killHartboxes } from '../support/hartbox-process';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Life cycle and snapshots of all devices; what translated code does. */
const UNIT_TESTS = ['engine/virtio/devices/lifecycle.test.ts', 'engine/hart/jit/jit.test.ts', 'engine/hart/jit/calls.test.ts'];
/** Has code translated. */
const BUSY = ['sh', '-c', 'i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; nproc'];

afterEach(killHartboxes);

describe.each(lackOfNodeLines === undefined ? nodeLines : [process.versions.node])('on Node %s', (line) => {
  let node = process.execPath;
  let home = '';

  beforeAll(async () => {
    if (lackOfNodeLines === undefined) node = await nodeOfLine(line);
    // Nothing is known of this V8 there.
    home = freshHome(['default-guest']);
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  const run = (args: string[], env: Record<string, string> = {}) => hartbox(args, { node, env: { HARTBOX_HOME: home, ...env } });

  it('a first start runs two harts, translated, with flags that this V8 takes', async () => {
    const { code, stdout, stderr } = await run(['exec', '--harts', '2', '--stats', '--', ...BUSY]);
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: '2\n' });
    expect(stderr).not.toMatch(/warning|error|flag/i);
    expect(Number(/^Translated .* (\d+) % /m.exec(stderr)?.[1]), stderr).toBeGreaterThan(10);
    const [known] = readdirSync(join(home, 'engine')).map((name) => readFileSync(join(home, 'engine', name), 'utf8'));
    const { verdict } = JSON.parse(known) as { verdict: { flags: string[]; failure?: string } };
    expect(verdict.failure).toBeUndefined();
    expect(verdict.flags).toContain('--no-liftoff');
  });

  it('it is right with none of them, and silent about one that V8 does not know', async () => {
    const env = { HARTBOX_V8_FLAGS: '--no-such-flag' };
    expect(await run(['exec', '--harts', '2', '--', ...BUSY], env)).toMatchObject({ code: 0, stdout: '2\n', stderr: '' });
  });

  it('where V8 dies of its flags, it runs without and says so', async () => {
    // There is no WebAssembly then.
    const { code, stdout, stderr } = await run(['exec', '--', 'uname', '-m'], { HARTBOX_V8_FLAGS: '--jitless' });
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: 'riscv64\n' });
    expect(stderr).toMatch(/warning: Harts run slowly on this JavaScript engine \(V8 \d+/);
  });

  it('translated code does what the interpreter does, through a boot', async () => {
    const { code, stdout, stderr } = await run(['exec', '--check', 'jit', '--stats', '--', 'uname', '-m']);
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: 'riscv64\n' });
  });

  it('devices keep their life cycle and snapshots, and translated code its tests', () => {
    const { status, stdout, stderr } = spawnSync(
      node,
      [join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--project', 'unit', ...UNIT_TESTS],
      { cwd: ROOT, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined } },
    );
    expect(status, `${stdout}${stderr}`).toBe(0);
    expect(stdout).toMatch(/Test Files +3 passed/);
  });
});
