import { hostLibrary } from './host-library';

/** The finest that Windows gives, in milliseconds. */
const PERIOD = 1;
/** processthreadsapi.h: PROCESS_INFORMATION_CLASS, and the version and the flag of PROCESS_POWER_THROTTLING_STATE. */
const PROCESS_POWER_THROTTLING = 4;
const THROTTLING_VERSION = 1;
const IGNORE_TIMER_RESOLUTION = 4;

/** The calls of Windows that this needs. */
export interface TimerApi {
  timeBeginPeriod(milliseconds: number): void;
  timeEndPeriod(milliseconds: number): void;
  /** SetProcessInformation on this process; false where Windows is too old for it. */
  setProcessInformation(informationClass: number, information: Buffer): boolean;
}

/**
 * Who waits for a time under Windows waits for its timer's next tick, 15.6 ms apart unless a program asks for more. A machine asks while
 * it runs, since its guest's timers rest on such waits; it costs the host power, so no longer. Elsewhere timers are fine as they are.
 */
export class TimerResolution {
  private holders = 0;
  private api: TimerApi | undefined;

  constructor(private readonly load: () => TimerApi | undefined = windowsTimers) {}

  /** Returns a function that lets go. */
  hold(): () => void {
    this.holders++;
    if (this.holders === 1) {
      this.api = this.load();
      // Windows 11 ignores what a program asks for once nobody sees its windows; nor should a utility process depend on that.
      this.api?.setProcessInformation(PROCESS_POWER_THROTTLING, throttlingState({ control: IGNORE_TIMER_RESOLUTION, on: 0 }));
      this.api?.timeBeginPeriod(PERIOD);
    }
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.holders--;
      if (this.holders > 0) return;
      this.api?.timeEndPeriod(PERIOD);
      // Back to what Windows thinks best.
      this.api?.setProcessInformation(PROCESS_POWER_THROTTLING, throttlingState({ control: 0, on: 0 }));
    };
  }
}

/** That of this process. */
export const timerResolution = new TimerResolution();

/** PROCESS_POWER_THROTTLING_STATE: version, which flags are ours to say, and which of these are on. */
function throttlingState({ control, on }: { control: number; on: number }): Buffer {
  return Buffer.from(new Uint32Array([THROTTLING_VERSION, control, on]).buffer);
}

function windowsTimers(): TimerApi | undefined {
  if (process.platform !== 'win32') return undefined;
  const multimedia = hostLibrary('winmm.dll');
  const kernel = hostLibrary('kernel32.dll');
  if (!multimedia || !kernel) return undefined;
  const begin = multimedia.func('uint32_t timeBeginPeriod(uint32_t period)');
  const end = multimedia.func('uint32_t timeEndPeriod(uint32_t period)');
  const set = kernel.func('int SetProcessInformation(intptr_t process, int kind, void *information, uint32_t size)');
  /** GetCurrentProcess() is this constant. */
  const self = -1;
  return {
    timeBeginPeriod: (milliseconds) => void begin(milliseconds),
    timeEndPeriod: (milliseconds) => void end(milliseconds),
    setProcessInformation: (kind, information) => set(self, kind, information, information.length) !== 0,
  };
}
