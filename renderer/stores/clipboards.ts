import { defineStore } from 'pinia';
import type { VmView } from '../../main/contract';
import { request } from '../bridge';
import { cleanPng } from '../screen/clean-png';

/** A guest has so long, in milliseconds, for what was copied there just before the user went elsewhere. */
const GRACE_MS = 1000;

/**
 * The clipboards of this computer and of a guest that shares its own. The guest at whose screen the keyboard is gets what is in this computer's,
 * and what is copied there is this computer's too.
 */
export const useClipboards = defineStore('clipboards', () => {
  /** The box that has the keyboard, or had it last and when it no longer had; and how often something was copied there so far. */
  let holder: { vm: string; until: number; copies: number } | undefined;

  /** The keyboard is at this box's screen. */
  function enter(vm: VmView): void {
    holder = { vm: vm.id, until: Infinity, copies: vm.clipboard?.copies ?? 0 };
    // By itself nothing is said where that fails: the user has asked for nothing.
    if (vm.clipboard?.isThere) void request('vm.give-clipboard', vm.id, false).catch(() => undefined);
  }

  function leave(): void {
    if (holder) holder.until = performance.now() + GRACE_MS;
  }

  /** What is known of a box's clipboard has changed. */
  function follow(vm: VmView, before: VmView['clipboard']): void {
    if (vm.id !== holder?.vm || performance.now() > holder.until) return;
    if (!vm.clipboard?.isThere) holder.copies = 0;
    else if (!before?.isThere) enter(vm);
    else if (vm.clipboard.copies > holder.copies) {
      holder.copies = vm.clipboard.copies;
      void take(vm.id).catch(() => undefined);
    }
  }

  /** Put what was copied in a guest into this computer's clipboard. Tells whether there was anything. */
  async function take(vm: string): Promise<boolean> {
    const { text = null, png } = await request('vm.take-clipboard', vm);
    const picture = png ? await cleanPng(png) : null;
    if (text === null && !picture) return false;
    await request('vm.keep-clipboard', vm, text, picture);
    return true;
  }

  return { enter, leave, follow, take };
});
