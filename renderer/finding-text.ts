import { useI18n } from 'vue-i18n';
import type { Finding } from '../engine/doctor/findings';
import { amountOf } from './amounts';

/** A finding of the Doctor in the user's language, where its id is known there (`finding.…` of the locales); else as it came, in English. */
export function useFindingText(): (finding: Finding) => { text: string; advice?: string } {
  const i18n = useI18n();
  const value = (name: string, given: string | number): string | number => {
    if (typeof given === 'string' || !name.endsWith('Bytes')) return given;
    const { unit, n } = amountOf(given);
    return i18n.t(`unit.${unit}`, { n });
  };
  return ({ id, params, text, advice }) => {
    const own = (key: string, english: string): string => {
      const name = `finding.${id}.${key}`;
      return i18n.te(name)
        ? i18n.t(name, Object.fromEntries(Object.entries(params).map(([one, given]) => [one, value(one, given)])))
        : english;
    };
    return { text: own('text', text), ...(advice !== undefined && { advice: own('advice', advice) }) };
  };
}
