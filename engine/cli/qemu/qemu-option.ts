import type { Shown, Wanted } from './wanted';

/** One option of QEMU. */
export interface QemuOption {
  /** With one dash; the first is what it is called. */
  names: readonly string[];
  /** What follows, if something does. */
  takes?: string;
  /** served: it does here what it does in QEMU. ignored: it makes no difference here. refused: it cannot be done here. */
  effect: 'served' | 'ignored' | 'refused';
  /** What it does; why it makes no difference; why it is refused, and what to do. Without a full stop. */
  does: string;
  /** What `help` as its argument prints. */
  lists?: Shown;
  /** Take it over. `where`: the option and its argument, for messages. Throws QemuError. */
  read(wanted: Wanted, argument: string, where: string): void;
}
