import { EV_KEY, VirtioInput } from './input';

/** KEY_POWER of Linux's input-event-codes.h. */
const KEY_POWER = 116;

/** The machine's power button: an input device of one key, on which systemd-logind, acpid and desktops act. */
export class PowerButton extends VirtioInput {
  constructor() {
    super({ profile: { name: 'Hartbox Power Button', events: { [EV_KEY]: [KEY_POWER] } } });
  }

  /** Press and release it. False where no driver listens. */
  press(): boolean {
    return this.report([{ type: EV_KEY, code: KEY_POWER, value: 1 }]) && this.report([{ type: EV_KEY, code: KEY_POWER, value: 0 }]);
  }
}
