import { mount } from '@vue/test-utils';
import { describe, expect, it } from 'vitest';
import type { ErrorReport } from '../../engine/runner/control';
import { createTranslations } from '../translations';
import ErrorNotice from './error-notice.vue';

const report: ErrorReport = {
  kind: 'Resource',
  message: 'The disk is full: 3 GB are missing.',
  details: 'ENOSPC',
  code: 'disk-full',
  params: { amount: '3 GB' },
};

function text(error: ErrorReport): string {
  const translations = createTranslations('de');
  translations.global.mergeLocaleMessage('de', { error: { 'disk-full': 'Die Platte ist voll: Es fehlen {amount}.' } });
  return mount(ErrorNotice, { props: { report: error }, global: { plugins: [translations] } })
    .get('p')
    .text();
}

describe('error notice', () => {
  it('says a failure that it knows in the language of the user, with its values', () => {
    expect(text(report)).toBe('Die Platte ist voll: Es fehlen 3 GB.');
  });

  it('says others as they came', () => {
    expect(text({ ...report, code: 'another' })).toBe(report.message);
    expect(text({ ...report, code: undefined })).toBe(report.message);
  });
});
