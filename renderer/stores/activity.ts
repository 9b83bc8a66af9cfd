import { defineStore } from 'pinia';
import { ref } from 'vue';
import type { InsideLook } from '../../main/inside-contract';
import { type Activity, activityBetween, remembered } from '../activity';

/** What boxes did lately, as far as the user looked: from one visit of the page to the next. */
export const useActivity = defineStore('activity', () => {
  const past = ref<Record<string, Activity[]>>({});
  const marks = new Map<string, { at: number; look: InsideLook }>();

  function note(vm: string, look: InsideLook): void {
    const at = Date.now() / 1000;
    const mark = marks.get(vm);
    marks.set(vm, { at, look });
    if (!mark) return;
    const isAnew = look.statistics.seconds < mark.look.statistics.seconds;
    const now = activityBetween(mark.look, look, at - mark.at, at);
    if (isAnew) past.value[vm] = [];
    // Over a long time away nothing is known of each moment.
    else if (now && at - mark.at < 5) past.value[vm] = remembered(past.value[vm] ?? [], now);
  }

  return { past, note };
});
