import type { HartRegisters } from '../../hart/registers';

/**
 * Harts as the threads of one process (GDB manual, appendix E.2): hart n is thread n + 1 of process 1, as QEMU has them. With the
 * multiprocess extension an id is written `p1.2`, without it `2`.
 */
const PROCESS = 1;

/** What a packet names: one hart, all of them, or whichever. */
export type Harts = number | 'all' | 'any';

/** Undefined where there is no such thread. */
export function parseThread(text: string, harts: number): Harts | undefined {
  const [, process, thread = '-1'] = /^(?:p(-1|[0-9a-f]{1,8})(?:\.|$))?(-1|[0-9a-f]{1,8})?$/i.exec(text) ?? [];
  if (text === '' || (process !== undefined && !['-1', '0', '1'].includes(process))) return undefined;
  if (thread === '-1') return 'all';
  const number = Number.parseInt(thread, 16);
  if (number === 0) return 'any';
  return number <= harts ? number - 1 : undefined;
}

export function threadId(hart: number, isMultiprocess: boolean): string {
  const thread = (hart + 1).toString(16);
  return isMultiprocess ? `p${PROCESS}.${thread}` : thread;
}

/** What is said of a hart in lists of threads. */
export function describeHart(hart: number, registers: HartRegisters): string {
  return `hart ${hart}, ${registers.privilege} mode`;
}

/** The document of qXfer:threads:read. */
export function threadsDocument(harts: readonly { id: string; name: string; about: string; core: number }[]): string {
  const threads = harts.map(({ id, name, about, core }) => `<thread id="${id}" core="${core}" name="${name}">${about}</thread>`);
  return `<?xml version="1.0"?>\n<threads>\n${threads.join('\n')}\n</threads>\n`;
}
