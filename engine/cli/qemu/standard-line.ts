import { pacedWriter } from '../../host/paced-writer';
import { readFrom } from '../host-streams';
import type { HostTerminal } from '../host-terminal';
import type { StandardLine } from './lines/open-line';

const CTRL_C = 3;

/** Standard input and output as a line. A terminal is raw from then on; with signals Ctrl-C calls `interrupt`. */
export function standardLine(terminal: HostTerminal, interrupt: () => void): StandardLine {
  let stop = (): void => undefined;
  const line: StandardLine = {
    hasSignals: true,
    output: pacedWriter(process.stdout),
    connect: (input) => {
      terminal.lend();
      stop = readFrom(process.stdin, input, {
        filter: (data) => {
          if (!line.hasSignals || !terminal.isInteractive || !data.includes(CTRL_C)) return data;
          interrupt();
          return data.subarray(0, data.indexOf(CTRL_C));
        },
      });
      input.opened?.();
    },
    close: () => {
      stop();
      terminal.giveBack();
    },
  };
  return line;
}
