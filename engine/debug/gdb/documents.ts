import { escapeBinary } from './packet';
import { targetDescription } from './registers';
import type { DebugTarget } from './target';
import { describeHart, threadsDocument } from './threads';

/** The documents that a debugger reads in pieces, by qXfer packets. */
export class Documents {
  private description: string | undefined;
  private threads: string | undefined;

  constructor(
    private readonly target: DebugTarget,
    private readonly id: (hart: number) => string,
    /** Characters of a piece, before those that have to be escaped are. */
    private readonly most: number,
  ) {}

  /** Harts stand elsewhere now. */
  forgetThreads(): void {
    this.threads = undefined;
  }

  /** `features:read:target.xml:0,fff`. Empty where such things cannot be read at all. */
  read(text: string): string {
    const [, object, annex, offsetText, lengthText] = /^(\w+):read:([^:]*):([0-9a-f]{1,8}),([0-9a-f]{1,8})$/i.exec(text) ?? [];
    let document: string;
    if (object === 'features' && annex === 'target.xml') document = this.description ??= targetDescription(this.target.knownCsrs());
    else if (object === 'threads' && annex === '') document = this.threads ??= this.listThreads();
    else return object === 'features' || object === 'threads' ? 'E00' : '';
    const offset = Number.parseInt(offsetText, 16);
    const part = document.slice(offset, offset + Math.min(Number.parseInt(lengthText, 16), this.most));
    return `${offset + part.length < document.length ? 'm' : 'l'}${escapeBinary(part)}`;
  }

  private listThreads(): string {
    const { target } = this;
    const harts = Array.from({ length: target.harts }, (_, core) => {
      return { id: this.id(core), core, name: `hart ${core}`, about: describeHart(core, target.registers(core)) };
    });
    return threadsDocument(harts);
  }
}
