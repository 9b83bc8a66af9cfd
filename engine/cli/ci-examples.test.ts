import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseMachineOptions } from './machine-options';

const root = new URL('../../', import.meta.url);
const text = (path: string): Promise<string> => readFile(fileURLToPath(new URL(path, root)), 'utf8');

/** The options of one machine, as the shell splits them. */
function taken(line: string): unknown {
  return parseMachineOptions('exec', [...line.split(' '), '--', 'true']).options.config;
}

describe('the examples for CI', () => {
  it('name machines of which exec takes the options', async () => {
    const job = await text('docs/examples/ci/kubernetes/job.yaml');
    const lines =
      job
        .match(/^ {2}machines: \|\n((?: {4}.*\n)+)/m)?.[1]
        ?.trim()
        .split(/\n */) ?? [];
    expect(job).toContain(`completions: ${lines.length}\n`);
    expect(lines.map(taken)).toHaveLength(6);

    const workflow = await text('docs/examples/ci/argo/workflow.yaml');
    const items =
      workflow
        .match(/^ +withItems:\n((?: +- --.*\n)+)/m)?.[1]
        ?.trim()
        .split(/\n */) ?? [];
    expect(items.map((item) => taken(item.replace('- ', '')))).toEqual(lines.map(taken));
  });

  it('give the action only options that exec has', async () => {
    const action = await text('.github/actions/hartbox/action.yml');
    const line =
      action
        .match(/exec (--memory [^\n]*?) \\\n +(--share [^\n]*?) "\$\{options/)
        ?.slice(1)
        .join(' ') ?? '';
    const given = line
      .replaceAll('"', '')
      .replace('$HARTBOX_MEMORY', '1G')
      .replace('$HARTBOX_TIMEOUT', '1800')
      .replace('$GITHUB_WORKSPACE', '.');
    expect(taken(given)).toMatchObject({ memory: 2 ** 30, shares: [{ mount: '/mnt/workspace' }] });
  });
});
