import { useI18n } from 'vue-i18n';
import type { Option } from '../engine/settings/option';
import type { SettingProblem } from '../engine/settings/problem';
import { OPTIONS } from '../engine/settings/settings';
import { formatSize, formatTexts } from '../engine/settings/text';
import { itemOptions } from './option-texts';

/** An option together with where it stands: `drives.` before the options of a drive. */
export interface OptionWords {
  /** The name of an option; `scope` as `drives` for those of a drive, `network` for those of an adapter. */
  label: (option: Option, scope?: string) => string;
  help: (option: Option, scope?: string) => string;
  /** Words by which people look for it, in their language and in that of QEMU. */
  alsoCalled: (option: Option) => string[];
  choice: (option: Option, value: string | number, scope?: string) => string;
  /** A value as people read it: `2 GB`, `On`, `U-Boot`. */
  value: (option: Option, value: unknown, scope?: string) => string;
  size: (bytes: number) => string;
  /** What is wrong with a value, to stand beside its field. */
  problem: (problem: SettingProblem) => string;
}

/** Options in the user's language. */
export function useOptionWords(): OptionWords {
  const i18n = useI18n();
  const { t } = i18n;
  const path = (option: Option, scope?: string): string => ['option', scope, option.key].filter(Boolean).join('.');

  const words: OptionWords = {
    label: (option, scope) => t(`${path(option, scope)}.label`),
    help: (option, scope) => t(`${path(option, scope)}.help`),
    alsoCalled: ({ key }) =>
      [...new Set([i18n.locale.value, 'en'])]
        .filter((locale) => i18n.te(`search.${key}`, locale))
        .map((locale) => t(`search.${key}`, {}, { locale })),
    choice: (option, value, scope) => t(`${path(option, scope)}.choice.${value}`),
    size: (bytes) => sizesIn(formatSize(bytes)),
    value: (option, value, scope) => {
      switch (option.kind) {
        case 'size':
          return typeof value === 'number' ? words.size(value) : String(value);
        case 'switch':
          return value === true ? t('form.on') : t('form.off');
        case 'grid':
          return formatTexts(option, value)[0].replace('x', ' × ');
        case 'choice':
          return option.choices && Object.hasOwn(option.choices, String(value))
            ? words.choice(option, String(value), scope)
            : String(value);
        case 'choices':
          return Array.isArray(value) && value.length > 0
            ? value.map((one: string) => words.choice(option, one, scope)).join(', ')
            : t('form.none');
        default:
          return formatTexts(option, value).join(', ') || t('form.none');
      }
    },
    problem({ path: at, code, params, message }) {
      const key = at.split('.').findLast((part) => !/^\d+$/.test(part));
      const [, list] = /^(\w+)\.\d+\./.exec(at) ?? [];
      const scope = at.startsWith('start.') ? 'drives' : list !== undefined && Object.hasOwn(itemOptions, list) ? list : undefined;
      const option = (scope === undefined ? OPTIONS : itemOptions[scope]).find((one) => one.key === key);
      const name = option ? words.label(option, scope) : at;
      if (i18n.te(`error.${code}`)) {
        const readable = Object.entries(params).map(([param, value]) => [param, typeof value === 'string' ? sizesIn(value) : value]);
        return t(`error.${code}`, { ...Object.fromEntries(readable), option: name });
      }
      // The English of the command line, which names the option by its path; here the name stands beside it already.
      const from = String(params['option'] ?? at);
      const text = message.startsWith(`${from}: `) ? message.slice(from.length + 2) : message.replace(`${from} `, `${name} `);
      return sizesIn(text.charAt(0).toUpperCase() + text.slice(1));
    },
  };

  /** `512M` in a text as `512 MB`. */
  function sizesIn(text: string): string {
    return text.replace(/\b(\d+(?:\.\d+)?)([KMGT])\b/g, (_all, n: string, unit: string) => t(`unit.${unit}iB`, { n }));
  }

  return words;
}
