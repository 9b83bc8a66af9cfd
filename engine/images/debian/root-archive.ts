import { createHash } from 'node:crypto';
import { VmError } from '../../errors/vm-error';
import { readDeb } from '../deb';
import { collect, readPackage } from '../package-files';
import type { DebianPackage } from '../packages';
import { parseStanzas } from '../stanza';
import { GNU_TAR_END, type GnuTarEntry, gnuTarHeader, gnuTarPadding } from './gnu-tar';

/** A file that is put on the disk beside those of the packages. */
export interface AddedFile {
  path: string;
  contents: string | Uint8Array;
  mode?: number;
}

export interface RootArchiveOptions {
  /** Where the packages lie. */
  cache: string;
  files: readonly AddedFile[];
  /** Bytes of packages that have been read. */
  onProgress?: ((read: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * A Debian's files as one tar archive: all that the packages install, and what dpkg would know of them if it had unpacked them itself
 * (dpkg(1), /var/lib/dpkg: status, info, triggers), so that `dpkg --configure -a` is left to do. Unpacking here takes seconds, and inside an
 * emulated machine minutes. Throws VmError 'Image' for damaged packages.
 */
export async function* rootArchive(packages: readonly DebianPackage[], options: RootArchiveOptions): AsyncGenerator<Uint8Array> {
  const { cache, files, onProgress, signal } = options;
  // First the package that says what is a link: /bin, /lib and /sbin.
  const ordered = [...packages].sort((a, b) => Number(b.name === 'base-files') - Number(a.name === 'base-files'));
  const database = new DpkgDatabase();
  let before = 0;
  for (const one of ordered) {
    const record = await readRecord(cache, one);
    const paths = ['/.'];
    for await (const entry of readDeb(
      readPackage(cache, one, (bytes) => onProgress?.(before + bytes)),
      one.name,
    )) {
      signal?.throwIfAborted();
      if (entry.path === '') continue;
      paths.push(`/${entry.path}`);
      const { type, path, mode, owner, group, size, target } = entry;
      if (type === 'other')
        throw new VmError('Image', `the package ${one.name} holds ${path}, which is neither file nor directory nor link`);
      yield gnuTarHeader({ path, type, mode, owner, group, size, target });
      if (type !== 'file') continue;
      const hash = record.conffiles.has(`/${path}`) ? createHash('md5') : undefined;
      for await (const piece of entry.contents) {
        hash?.update(piece);
        yield piece;
      }
      if (hash) record.conffiles.set(`/${path}`, hash.digest('hex'));
      yield gnuTarPadding(size);
    }
    before += one.size;
    yield* asTar(database.add(one.name, record, paths));
  }
  yield* asTar([...database.finish(), ...files.map(({ path, ...rest }) => ({ path: path.replace(/^\//, ''), ...rest }))]);
  yield GNU_TAR_END;
}

function* asTar(files: readonly AddedFile[]): Generator<Uint8Array> {
  for (const { path, contents, mode = 0o644 } of files) {
    const data = typeof contents === 'string' ? Buffer.from(contents) : contents;
    const entry: GnuTarEntry = { path, type: 'file', mode, size: data.length };
    yield gnuTarHeader(entry);
    yield data;
    yield gnuTarPadding(data.length);
  }
}

/** What a package tells dpkg of itself. */
interface Record {
  stanza: string;
  fields: Map<string, string>;
  /** Files of its control part but for `control`. */
  control: Map<string, { data: Uint8Array; mode: number }>;
  /** Its configuration files, each with its MD5 once it has been read; empty before. */
  conffiles: Map<string, string>;
}

async function readRecord(cache: string, one: DebianPackage): Promise<Record> {
  const control: Record['control'] = new Map();
  for await (const { type, path, mode, contents } of readDeb(readPackage(cache, one), one.name, 'control')) {
    if (type === 'file') control.set(path, { data: await collect(contents, path), mode });
  }
  const stanza = textOf(control, 'control').trim();
  const [fields] = [...parseStanzas(stanza)];
  if (fields?.get('Package') !== one.name)
    throw new VmError('Image', `the package ${one.name} calls itself ${fields?.get('Package') ?? 'nothing'}`, {
      code: 'package-damaged',
      params: { package: one.name },
    });
  control.delete('control');
  const conffiles = textOf(control, 'conffiles')
    .split('\n')
    .filter((line) => line.startsWith('/'))
    .map((path) => [path, ''] as const);
  return { stanza, fields, control, conffiles: new Map(conffiles) };
}

function textOf(control: Record['control'], name: string): string {
  return new TextDecoder().decode(control.get(name)?.data);
}

/** /var/lib/dpkg as it is when packages are unpacked. */
class DpkgDatabase {
  private status = '';
  /** Paths that packages want to hear of changes below; and other events, by name. */
  private fileTriggers = '';
  private readonly triggers = new Map<string, string>();

  /** Returns the files that belong to this package alone. */
  add(name: string, { stanza, fields, control, conffiles }: Record, paths: readonly string[]): AddedFile[] {
    const known = [...conffiles].filter(([, md5]) => md5 !== '').map(([path, md5]) => `\n ${path} ${md5}`);
    const list = known.length > 0 ? `\nConffiles:${known.join('')}` : '';
    this.status += `${stanza}\nStatus: install ok unpacked${list}\n\n`;
    // Packages that may be there for several architectures are kept apart.
    const full = fields.get('Multi-Arch') === 'same' ? `${name}:${fields.get('Architecture') ?? ''}` : name;
    for (const line of textOf(control, 'triggers').split('\n')) this.addTrigger(full, line);
    const prefix = `var/lib/dpkg/info/${full}`;
    return [
      { path: `${prefix}.list`, contents: `${paths.join('\n')}\n` },
      ...[...control].map(([part, { data, mode }]): AddedFile => ({ path: `${prefix}.${part}`, contents: data, mode })),
    ];
  }

  /** `interest-noawait /usr/share/icons` (deb-triggers(5)). */
  private addTrigger(by: string, line: string): void {
    const [, noAwait, trigger] = /^interest(?:-await|(-noawait))?\s+(\S+)\s*$/.exec(line) ?? [];
    if (trigger === undefined) return;
    const interested = noAwait ? `${by}/noawait` : by;
    if (trigger.startsWith('/')) this.fileTriggers += `${trigger} ${interested}\n`;
    else this.triggers.set(trigger, `${this.triggers.get(trigger) ?? ''}${interested}\n`);
  }

  /** Returns the files that tell of all packages. */
  finish(): AddedFile[] {
    const folder = 'var/lib/dpkg';
    return [
      { path: `${folder}/status`, contents: this.status },
      { path: `${folder}/available`, contents: '' },
      { path: `${folder}/info/format`, contents: '1\n' },
      { path: `${folder}/triggers/File`, contents: this.fileTriggers },
      ...[...this.triggers].map(([name, contents]) => ({ path: `${folder}/triggers/${name}`, contents })),
    ];
  }
}
