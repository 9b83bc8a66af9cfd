import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { VmError } from '../errors/vm-error';
import { errorReportSchema } from './control';
import { reportError } from './error-report';

describe('reportError', () => {
  it('tells what the host refused in plain words, and only defects as such', async () => {
    const refused: unknown = await readFile(join(tmpdir(), 'hartbox-no-such-file')).catch((error: unknown) => error);
    const report = reportError(refused);
    expect(report).toMatchObject({ kind: 'Resource', code: 'ENOENT', details: expect.stringContaining('ENOENT') });
    expect(report.message).not.toContain('Hartbox itself failed');
    expect(errorReportSchema.parse(report)).toEqual(report);
    expect(reportError(new VmError('Image', 'x', { code: 'y', params: { a: 1 } }))).toMatchObject({
      kind: 'Image',
      code: 'y',
      params: { a: 1 },
    });
    expect(reportError(new TypeError('x'))).toMatchObject({ kind: 'Internal', message: 'Hartbox itself failed: x' });
  });
});
