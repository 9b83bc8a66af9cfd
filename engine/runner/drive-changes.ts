import type { DriveConfig } from '../settings/drive';

/** A drive as it is in a machine that runs (VirtualMachine.drives). */
export interface RunningDrive {
  id: string;
  /** Its settings, with the file that was in it last. */
  config: DriveConfig;
  /** The file in it now: none in an empty CD-ROM drive. */
  file: string | undefined;
}

/** What turns the drives of a machine that runs into those that are wanted. */
export interface DriveChanges {
  /** Ids of drives to pull out. */
  detach: string[];
  /** Discs to exchange. */
  insert: { id: string; file: string }[];
  attach: DriveConfig[];
  /** Something is left that takes a restart. */
  needsRestart: boolean;
}

/**
 * Compare drives by their ids, those without one by their files; of CD-ROM drives that are left over the discs are exchanged. A drive from
 * which the disc was ejected counts as the one that its settings describe: nobody wants the disc back for another reason.
 */
export function changesOfDrives(running: readonly RunningDrive[], wanted: readonly DriveConfig[], hasScsi: boolean): DriveChanges {
  const changes: DriveChanges = { detach: [], insert: [], attach: [], needsRestart: false };
  const rest = new Set(running);
  const pairs = new Map<DriveConfig, RunningDrive>();
  const pair = (matches: (one: RunningDrive, drive: DriveConfig) => boolean): void => {
    for (const drive of wanted) {
      if (pairs.has(drive)) continue;
      const found = [...rest].find((one) => matches(one, drive));
      if (!found) continue;
      pairs.set(drive, found);
      rest.delete(found);
    }
  };
  pair((one, drive) => one.id === drive.id);
  pair((one, drive) => drive.id === undefined && one.config.media === drive.media && (one.file ?? one.config.file) === drive.file);
  pair((one, drive) => drive.id === undefined && isDisc(drive) && isDisc(one.config) && isAlike(one.config, drive));

  for (const drive of wanted) {
    const now = pairs.get(drive);
    if (!now) {
      if (isScsi(drive) && hasScsi) changes.attach.push(drive);
      else changes.needsRestart = true;
      continue;
    }
    if (!isAlike(now.config, drive)) changes.needsRestart = true;
    else if (now.config.file === drive.file) continue;
    else if (isDisc(drive) && isScsi(drive)) changes.insert.push({ id: now.id, file: drive.file });
    else if (isScsi(drive)) {
      changes.detach.push(now.id);
      changes.attach.push({ ...drive, id: now.id });
    } else changes.needsRestart = true;
  }
  for (const { id, config } of rest) {
    if (isScsi(config)) changes.detach.push(id);
    else changes.needsRestart = true;
  }
  return changes;
}

function isDisc({ media }: DriveConfig): boolean {
  return media === 'cdrom';
}

/** Whether it is a unit of the SCSI adapter, which alone can come and go (Drives in machine/drives.ts). */
function isScsi({ interface: kind, media }: DriveConfig): boolean {
  return kind === undefined ? media === 'cdrom' : kind === 'scsi';
}

/** The same but for the file, and the name that a drive has for us. */
function isAlike(one: DriveConfig, other: DriveConfig): boolean {
  const rest = ({ file, id, ...settings }: DriveConfig): string => JSON.stringify(Object.entries(settings).sort());
  return rest(one) === rest(other);
}
