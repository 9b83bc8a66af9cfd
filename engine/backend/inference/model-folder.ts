import { constants } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfinedFolder } from '../../host/confined-folder';
import { readAll } from '../../host/open-file';
import { InferenceError, STATUS } from './message';

/** Models that a guest is told of. */
const LIST_MAX = 1000;
/** What a guest may name: a file right in the folder, in letters that need no care. */
const NAME = /^(?!\.)[\w.+-][\w.+ -]{0,199}\.onnx$/;

/** A folder of the host with ONNX files, which a guest may use by their names: nothing below it, and no links. */
export class ModelFolder {
  private constructor(
    private readonly path: string,
    private readonly folder: ConfinedFolder,
  ) {}

  /** Throws what the host says where it is no folder that can be used. */
  static async open(path: string): Promise<ModelFolder> {
    return new ModelFolder(path, await ConfinedFolder.open(path));
  }

  /** A line for each model: its name, a tab, its bytes. */
  async list(): Promise<string> {
    const names = (await readdir(this.path)).filter((name) => NAME.test(name)).sort();
    const lines: string[] = [];
    for (const name of names.slice(0, LIST_MAX)) {
      const found = await lstat(join(this.path, name)).catch(() => undefined);
      if (found?.isFile()) lines.push(`${name}\t${found.size}\n`);
    }
    return lines.join('');
  }

  /** The bytes of a model, `limit` at most. Throws InferenceError. */
  async read(name: string, limit: number): Promise<Uint8Array<ArrayBuffer>> {
    const missing = (): InferenceError =>
      new InferenceError(
        STATUS.notFound,
        `There is no model ${JSON.stringify(name.slice(0, 200))} in the folder that the host has allowed.`,
      );
    if (!NAME.test(name)) throw missing();
    const file = await this.folder.openFile(name, constants.O_RDONLY).catch(() => undefined);
    if (!file) throw missing();
    try {
      const bytes = await readAll(file, limit);
      if (bytes) return bytes as Uint8Array<ArrayBuffer>;
    } finally {
      await file.close();
    }
    throw new InferenceError(STATUS.tooLarge, `The model ${name} has more than the ${limit} bytes that models may have here.`);
  }

  close(): Promise<void> {
    return this.folder.close();
  }
}
