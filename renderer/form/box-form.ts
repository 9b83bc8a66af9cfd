import { type ComputedRef, type InjectionKey, type Ref, computed, inject, ref } from 'vue';
import type { HostFacts, Option } from '../../engine/settings/option';
import { type SettingProblem, problemsOf } from '../../engine/settings/problem';
import { OPTIONS, boxValuesSchema, impliedValues } from '../../engine/settings/settings';
import { sameValue } from './same-value';

/** Values of options by key; one that is missing is as its option has it unless given. */
export type Values = Record<string, unknown>;

/** The values of a box while they are edited. Fields find it by `useBoxForm`. */
export interface BoxForm {
  /** As they are on disk. */
  readonly saved: Ref<Values>;
  /** As they would be saved; may be wrong. */
  readonly draft: Ref<Values>;
  readonly host: Ref<HostFacts | undefined>;
  /** Undefined while there is no box yet. */
  readonly box: Ref<string | undefined>;
  /** Whether the box runs, so that some changes wait. */
  readonly running: Ref<boolean>;
  /** Keys whose value differs from what is on disk, in the order of the options. */
  readonly changed: ComputedRef<string[]>;
  readonly problems: ComputedRef<SettingProblem[]>;
  /** Paths whose problems are shown; undefined: all. A form that is new does not scold before one has tried. */
  readonly shown: Ref<Set<string> | undefined>;
  value(option: Option): unknown;
  set(key: string, value: unknown): void;
  /** What is recommended for this host, else what it is unless given. */
  recommended(option: Option): unknown;
  problemAt(path: string): SettingProblem | undefined;
  discard(): void;
  /**
   * The settings on disk are others now. Values that were not touched follow; the keys that were changed here and there come back, with
   * what was typed here kept.
   */
  rebase(fresh: Values): string[];
}

const key: InjectionKey<BoxForm> = Symbol('box form');
export { key as BOX_FORM };

export function useBoxForm(): BoxForm {
  const form = inject(key);
  if (!form) throw new Error('A field stands outside a form.');
  return form;
}

export interface BoxFormOptions {
  /** What the form adds to the values that are edited one by one, before they are checked. */
  complete?: (draft: Values) => Values;
  /** What is recommended instead of what its option says, where there is a reason. */
  recommended?: (option: Option, usual: unknown) => unknown;
  /** Where in the form the value at this path of those is edited. */
  place?: (path: string) => string;
}

export function createBoxForm(
  initial: Values = {},
  { complete = (draft) => draft, recommended = (_option, usual) => usual, place = (path) => path }: BoxFormOptions = {},
): BoxForm {
  const saved = ref<Values>(initial);
  const draft = ref<Values>({ ...initial });
  const host = ref<HostFacts>();
  const box = ref<string>();
  const running = ref(false);
  const shown = ref<Set<string>>();

  const valueIn = (values: Values, option: Option): unknown =>
    values[option.key] ?? (impliedValues(values) as Values)[option.key] ?? option.default;
  const differs = (option: Option, a: Values, b: Values): boolean => !sameValue(valueIn(a, option), valueIn(b, option));
  const changed = computed(() => OPTIONS.filter((option) => differs(option, saved.value, draft.value)).map((option) => option.key));
  const problems = computed(() => {
    const input = withoutMissing(complete(draft.value));
    const checked = boxValuesSchema.safeParse(input);
    return checked.success ? [] : problemsOf(checked.error, input).map((problem) => ({ ...problem, path: place(problem.path) }));
  });

  return {
    saved,
    draft,
    host,
    box,
    running,
    changed,
    problems,
    shown,
    value: (option) => valueIn(draft.value, option),
    set(name, value) {
      draft.value = { ...draft.value, [name]: value };
      shown.value?.add(name);
    },
    recommended: (option) => recommended(option, option.recommended && host.value ? option.recommended(host.value) : option.default),
    problemAt(path) {
      const isShown = shown.value === undefined || [...shown.value].some((one) => path === one || path.startsWith(`${one}.`));
      return isShown ? problems.value.find((problem) => problem.path === path) : undefined;
    },
    discard() {
      draft.value = { ...saved.value };
    },
    rebase(fresh) {
      const conflicts: string[] = [];
      const merged = { ...fresh };
      for (const option of OPTIONS) {
        if (!differs(option, saved.value, draft.value)) continue;
        merged[option.key] = draft.value[option.key];
        if (differs(option, saved.value, fresh) && differs(option, draft.value, fresh)) conflicts.push(option.key);
      }
      saved.value = fresh;
      draft.value = merged;
      return conflicts;
    },
  };
}

/** Values to send and to check: without keys whose value was taken away. */
export function withoutMissing(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** The id of the element that has the focus when the value at this path is edited. */
export function fieldId(path: string): string {
  return `field-${path.replaceAll('.', '-')}`;
}

/** Put the keyboard where this value is edited. */
export function focusField(path: string): void {
  const element = document.getElementById(fieldId(path));
  element?.scrollIntoView({ block: 'center' });
  element?.focus({ preventScroll: true });
}
