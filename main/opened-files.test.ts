import { resolve } from 'node:path';
import { expect, it, vi } from 'vitest';
import { OpenedFiles } from './opened-files';

it('keeps the boxes among the words of a command line until a window takes them, each once', () => {
  const tell = vi.fn();
  const files = new OpenedFiles(tell);
  files.addCommandLine(['/opt/Hartbox/hartbox', '--no-sandbox', 'my box.hartbox', '/a/B.HARTBOX', '--x=/c.hartbox', '/d.iso'], '/home/ada');
  files.addCommandLine(['my box.hartbox'], '/home/ada');
  expect(tell).toHaveBeenCalledTimes(2);
  expect(files.take()).toEqual([resolve('/home/ada', 'my box.hartbox'), resolve('/a/B.HARTBOX')]);
  expect(files.take()).toEqual([]);
});

it('takes nothing else for a box', () => {
  const files = new OpenedFiles(() => undefined);
  files.add('/home/ada/.hartbox/config.json');
  files.add('https://example.org/?x');
  expect(files.take()).toEqual([]);
});
