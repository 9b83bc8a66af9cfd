import { join } from 'node:path';
import log from 'electron-log/node';
import type { EngineLog } from './engine-host';

/** Where what an engine process prints is kept. */
export function engineLogFile(vm: string, dataDirectory: string): string {
  return join(dataDirectory, 'logs', `${vm}.log`);
}

export function engineLog(vm: string, dataDirectory: string): EngineLog {
  const output = log.create({ logId: `engine-${vm}` });
  output.transports.file.resolvePathFn = () => engineLogFile(vm, dataDirectory);
  output.transports.console.level = false;
  return output;
}
