import { useI18n } from 'vue-i18n';
import type { ErrorReport } from '../engine/runner/control';
import { amountOf } from './amounts';
import { useOptionWords } from './option-words';

type Params = NonNullable<ErrorReport['params']>;

/** A report in the user's language, where its `code` is known there (`error.…` of the locales); else as it came, in English. */
export function useErrorText(): (report: ErrorReport) => string {
  const i18n = useI18n();
  const words = useOptionWords();

  /** What is wrong with a setting, and with which: here it does not stand beside its field. */
  const settingText = (code: string, params: Params): string => {
    const option = String(params['option'] ?? '');
    return `${option}: ${words.problem({ path: option, code, params, message: '' })}`;
  };
  /** Values that are names of things have words of their own; amounts are said as people say them. */
  const valueText = (name: string, value: Params[string], params: Params): string | number => {
    if (typeof value === 'number') {
      if (!name.endsWith('Bytes')) return value;
      const { unit, n } = amountOf(value);
      return i18n.t(`unit.${unit}`, { n });
    }
    if (name === 'problem') return i18n.te(`error.${value}`) ? settingText(value, params) : value;
    const word = value.toLowerCase().replace(/[^a-z0-9_]+/g, '-');
    const kind = name === 'other' ? 'what' : name;
    const key = [`word.${kind}.${word}`, ...(kind === 'state' ? [`state.${word}`] : [])].find((one) => word !== '' && i18n.te(one));
    return key === undefined ? value : i18n.t(key);
  };

  return ({ code, params = {}, message }) => {
    if (code === undefined || !i18n.te(`error.${code}`)) return message;
    if (code.startsWith('setting-')) return settingText(code, params);
    return i18n.t(
      `error.${code}`,
      Object.fromEntries(Object.entries(params).map(([name, value]) => [name, valueText(name, value, params)])),
    );
  };
}
