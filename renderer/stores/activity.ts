import { defineStore } from 'pinia';
import { ref } from 'vue';
import type { InsideLook, PastLook } from '../../main/inside-contract';
import { type Activity, AWAY, activityBetween, remembered } from '../activity';
import { request } from '../bridge';

/** What boxes did lately: as the app knows it, and from moment to moment while the user looks. */
export const useActivity = defineStore('activity', () => {
  const past = ref<Record<string, Activity[]>>({});
  const marks = new Map<string, PastLook>();

  /** Look at a box that runs. The first time, and after a time in which nobody did, what the app knows of the time before comes with it. */
  async function look(vm: string): Promise<InsideLook> {
    const at = Date.now() / 1000;
    const mark = marks.get(vm);
    const before = mark && at - mark.at < AWAY ? [] : await request('inside.past', vm);
    for (const one of before) note(vm, one.look, one.at);
    const now = await request('inside.look', vm);
    note(vm, now);
    return now;
  }

  function note(vm: string, look: InsideLook, at = Date.now() / 1000): void {
    const mark = marks.get(vm);
    // What was known already comes once more.
    if (mark && at <= mark.at) return;
    marks.set(vm, { at, look });
    if (!mark) return;
    const isAnew = look.statistics.seconds < mark.look.statistics.seconds;
    const now = activityBetween(mark.look, look, at - mark.at, at);
    if (isAnew) past.value[vm] = [];
    // Over a long time away nothing is known of each moment.
    else if (now && at - mark.at < AWAY) past.value[vm] = remembered(past.value[vm] ?? [], now);
  }

  return { past, look };
});
