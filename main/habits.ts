import { z } from 'zod';

/** What the user has the app do by itself. */
export const habitsSchema = z.object({
  /** What becomes of boxes that run when the window is closed. */
  close: z.enum(['ask', 'keep-running', 'shut-down', 'force-off']),
  /** Running boxes show in the system's tray or menu bar. */
  tray: z.boolean(),
  /** The system tells of boxes that end by themselves, and the like, while the user is elsewhere. */
  notify: z.boolean(),
  /** The app starts, with the boxes that start with it, when the user logs in. */
  login: z.boolean(),
  /** Points of the terminal's font. */
  fontSize: z.number().int().min(8).max(32),
  /** Where a new version is looked for: an https address; nowhere where it is empty. */
  feed: z.string().max(500),
});
export type Habits = z.output<typeof habitsSchema>;

export const defaultHabits: Habits = { close: 'ask', tray: false, notify: true, login: false, fontSize: 13, feed: '' };
