import { access, mkdir, readFile, realpath } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { systemError } from '../../errors/system-error';
import { VmError } from '../../errors/vm-error';
import { dataDirectory } from '../../host/data-directory';
import { awaitLock } from '../../host/file-lock';
import { replaceFile } from '../../host/new-file';

/**
 * A file that a qcow2 image names beside itself. Whoever made the image chose the name, and the guest reads that file or writes to it: so
 * what leaves the image's own folder needs the user's permission.
 */
export interface ImageReference {
  /** The path of the image that names it. */
  image: string;
  /** A backing file is read, a data file also written to. */
  kind: 'backing' | 'data';
  /** As the image has it. */
  name: string;
  /** The same as a path of this process. */
  file: string;
}

/**
 * What the user allows images to use outside of their folders. It is kept in the data directory, by the paths of both without links: an image
 * that is changed to name another file, or a link that leads elsewhere since, has to be allowed again.
 */
const FILE = 'trusted-images.json';

const trustedSchema = z.object({
  image: z.string(),
  kind: z.enum(['backing', 'data']),
  /** As the image has it. */
  name: z.string(),
  /** Where that leads. */
  file: z.string(),
});
export type TrustedReference = z.output<typeof trustedSchema>;
const fileSchema = z.object({ version: z.literal(1), trusted: z.array(trustedSchema) });

/** All that is allowed. Throws VmError 'Image' if the list is damaged. */
export async function trustedReferences(): Promise<TrustedReference[]> {
  const path = join(dataDirectory(), FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw systemError(error) ?? error;
  }
  try {
    return fileSchema.parse(JSON.parse(text)).trusted;
  } catch (cause) {
    throw new VmError(
      'Image',
      `${path}, the list of what images may use outside of their folders, is damaged. Delete it; what it allowed has to be allowed again (hartbox disk trust).`,
      { cause, code: 'trust-damaged', params: { path } },
    );
  }
}

export async function isTrusted(reference: ImageReference): Promise<boolean> {
  const named = (await trustedReferences()).filter((one) => one.kind === reference.kind && one.name === reference.name);
  if (named.length === 0) return false;
  const wanted = await recordOf(reference);
  return named.some((one) => isSame(one, wanted));
}

/** Allow these. Resolves when that is kept. */
export async function trustReferences(references: readonly ImageReference[]): Promise<void> {
  const wanted = await Promise.all(references.map(recordOf));
  await change((trusted) => [...trusted.filter((one) => !wanted.some((other) => isSame(one, other))), ...wanted]);
}

/** Allow no longer what an image was allowed. Resolves with what that was. */
export async function withdrawTrust(image: string): Promise<TrustedReference[]> {
  const path = await realPathOf(image);
  let withdrawn: TrustedReference[] = [];
  await change((trusted) => {
    withdrawn = trusted.filter((one) => one.image === path);
    return trusted.filter((one) => one.image !== path);
  });
  return withdrawn;
}

async function change(work: (trusted: TrustedReference[]) => TrustedReference[]): Promise<void> {
  const path = join(dataDirectory(), FILE);
  try {
    await mkdir(dirname(path), { recursive: true });
    const lock = await awaitLock(`${path}.lock`);
    try {
      const trusted: TrustedReference[] = [];
      for (const one of work(await trustedReferences())) if (!(await isGone(one.image))) trusted.push(one);
      const text = JSON.stringify({ version: 1, trusted } satisfies z.input<typeof fileSchema>, null, 2);
      await replaceFile(path, `${text}\n`);
    } finally {
      await lock.release();
    }
  } catch (error) {
    throw systemError(error, 'What images may use could not be kept') ?? error;
  }
}

/** Whether an image was deleted: its folder, which may lie on a disk that is not there now, has it no more. */
async function isGone(image: string): Promise<boolean> {
  const isMissing = (path: string): Promise<boolean> =>
    access(path).then(
      () => false,
      (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
    );
  return (await isMissing(image)) && !(await isMissing(dirname(image)));
}

async function recordOf({ image, kind, name, file }: ImageReference): Promise<TrustedReference> {
  return { image: await realPathOf(image), kind, name, file: await realPathOf(file) };
}

function isSame(one: TrustedReference, other: TrustedReference): boolean {
  return one.image === other.image && one.kind === other.kind && one.name === other.name && one.file === other.file;
}

/** What is not there has the path that it would have. */
function realPathOf(path: string): Promise<string> {
  return realpath(path).catch(() => resolve(path));
}
