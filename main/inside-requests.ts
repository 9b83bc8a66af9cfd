import { statfs } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import type { Shell } from 'electron';
import { z } from 'zod';
import { VmError } from '../engine/errors/vm-error';
import { DISK_PARTS, diskParts, folderOfPart } from '../engine/runner/disk-parts';
import { type Library, vmIdSchema } from '../engine/runner/library';
import { type InsideLook, type InsideRequests, PROFILE_SECONDS } from './inside-contract';
import type { Machines } from './machines';
import { PastLooks } from './past-looks';

const vm = z.tuple([vmIdSchema]);

/** What each of these requests may carry. */
export const insideArguments: { [N in keyof InsideRequests]: z.ZodType<Parameters<InsideRequests[N]>> } = {
  'inside.look': vm,
  'inside.past': vm,
  'inside.board': vm,
  'inside.profile': vm,
  'inside.overview': z.tuple([]),
  'inside.show-folder': z.tuple([z.enum(['boxes', ...DISK_PARTS])]),
};

type Handlers = {
  [N in keyof InsideRequests]: (
    ...args: Parameters<InsideRequests[N]>
  ) => ReturnType<InsideRequests[N]> | Promise<ReturnType<InsideRequests[N]>>;
};

/** Answers the window's requests about the inside of boxes, by the control table of each. */
export function insideRequests({
  machines,
  library,
  dataFolder,
  shell,
}: {
  machines: Pick<Machines, 'call' | 'on'>;
  library: Pick<Library, 'list' | 'diskUse' | 'directory'>;
  dataFolder: string;
  shell: Pick<Shell, 'openPath'>;
}): Handlers {
  const look = async (id: string): Promise<InsideLook> => {
    const [statistics, memory, { drives }, { adapters }] = await Promise.all([
      machines.call(id, 'statistics', {}),
      // A machine of one's own may have no balloon.
      machines.call(id, 'memory', {}).catch(() => undefined),
      machines.call(id, 'drives', {}),
      machines.call(id, 'networks', {}),
    ]);
    return {
      statistics,
      ...(memory && { memory }),
      drives,
      adapters: adapters.map(({ id: adapter, statistics: { bytesFromGuest, bytesToGuest } }) => ({
        id: adapter,
        sent: bytesFromGuest,
        received: bytesToGuest,
      })),
    };
  };
  const past = new PastLooks(machines, look);
  return {
    'inside.look': look,
    'inside.past': (id) => past.of(id),
    'inside.board': async (id) => {
      const [{ memoryMap, deviceTree }, { readDeviceTree }, { deviceTreeSource }] = await Promise.all([
        machines.call(id, 'board', {}),
        import('../engine/images/device-tree-file'),
        import('../engine/images/device-tree-source'),
      ]);
      const bytes = Buffer.from(deviceTree, 'base64');
      return { memoryMap, deviceTree: deviceTreeSource(readDeviceTree({ what: 'device tree', path: id, bytes })) };
    },
    'inside.profile': (id) => machines.call(id, 'profile', { seconds: PROFILE_SECONDS }),
    'inside.overview': async () => {
      const entries = await library.list();
      const boxes = [];
      // One after another: folders may hold many files.
      for (const { id } of entries) {
        const { bytes, files } = await library.diskUse(id).catch(() => ({ bytes: 0, files: [] }));
        boxes.push({ id, disk: bytes, files: files.map(({ path, bytes: size }) => ({ path, bytes: size })) });
      }
      const { bsize, bavail, blocks } = await statfs(library.directory);
      return {
        boxes,
        parts: await diskParts(dataFolder),
        folder: library.directory,
        disk: { free: bsize * bavail, total: bsize * blocks },
        memory: { free: freemem(), total: totalmem() },
      };
    },
    'inside.show-folder': async (part) => {
      const path = part === 'boxes' ? library.directory : folderOfPart(dataFolder, part);
      const problem = await shell.openPath(path);
      if (problem !== '')
        throw new VmError('Resource', `The folder ${path} could not be opened: ${problem}.`, {
          code: 'folder-not-opened',
          params: { path, reason: problem },
        });
    },
  };
}
