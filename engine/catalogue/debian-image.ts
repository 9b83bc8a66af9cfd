import { join } from 'node:path';
import { withNewFolder } from '../host/new-folder';
import { hostFiles } from '../host/patient-files';
import { resolveDependencies } from '../images/debian/dependencies';
import { fromFirstMirror } from '../images/mirror';
import { downloadPackages } from '../images/package-files';
import type { DebianPackage } from '../images/packages';
import { type StockFirmware, stockFirmware } from '../images/stock-firmware';
import { readSuite } from '../images/suite';
import { buildDebianDisk } from './debian-build';
import { type DebianVariant, debianIdentity, debianRecipe } from './debian-recipe';
import type { ImageJob, MadeImage } from './image-job';
import { ImageProgressMeter } from './progress';

/** How long the steps take: of a download the seconds for a MB on a usual line, of unpacking those on a usual computer, of configuring those for a package. */
const [SECONDS_PER_MB, SECONDS_PER_UNPACKED_MB, SECONDS_PER_PACKAGE] = [0.1, 0.05, 0.6];
/** Packages whose scripts take as long as those of so many others. */
const SLOW: readonly (readonly [RegExp, number])[] = [
  [/^linux-image-\d/, 30],
  [/^initramfs-tools$/, 40],
  [/^(?:ca-certificates|udev|systemd|fontconfig|libgtk-3-0t64|python3|python3\.\d+|dbus-daemon)$/, 8],
];

/**
 * Debian trixie of the packages that the mirror has now. Undefined where those are the packages of the image `before`. See
 * buildDebianDisk(); throws also as readSuite() and downloadPackages() do.
 */
export async function makeDebian(
  variant: DebianVariant,
  firmware: StockFirmware,
  job: ImageJob,
  before: string | undefined,
): Promise<MadeImage | undefined> {
  const { dataDirectory, cache, folder, signal, keys, patience, mirror } = job;
  const recipe = debianRecipe(variant);
  job.report({ phase: 'index', done: 0, total: 0, share: 0 });
  const suite = { cache, dataDirectory, keys, patience, signal };
  let packages: DebianPackage[] = [];
  let meter = new ImageProgressMeter({}, job.report);
  const present = await fromFirstMirror({ mirror, signal, what: 'the image' }, async (from) => {
    packages = resolveDependencies(await readSuite(from, suite, () => true), recipe.packages);
    if (debianIdentity(recipe, packages) === before) return true;
    meter = new ImageProgressMeter(weightsOf(packages), job.report);
    await downloadPackages(from, cache, packages, {
      signal,
      patience,
      onProgress: (received, total) => meter.report('download', received, total),
    });
    return false;
  });
  if (present) return undefined;
  // What boxes of it start with: the first start needs no network then.
  await stockFirmware(firmware, { dataDirectory, mirror, keys, patience, signal });

  const bytes = packages.reduce((sum, { size }) => sum + size, 0);
  const slowness = packages.map(({ name }) => slownessOf(name));
  const allSlowness = slowness.reduce((sum, one) => sum + one, 0);
  let configured = 0;
  await withNewFolder(folder, async (work) => {
    const disk = await buildDebianDisk({
      recipe,
      packages,
      cache,
      work,
      dataDirectory,
      program: 'hartbox image',
      v8: job.v8,
      signal,
      onUnpack: (done) => meter.report('unpack', done, bytes),
      onConfigure: (name, done) => {
        configured += slownessOf(name);
        meter.report('configure', done, packages.length, configured / allSlowness);
      },
      onOutput: job.onOutput,
    });
    meter.report('store');
    await hostFiles.rename(disk, join(folder, 'disk.qcow2'));
  });
  return { identity: debianIdentity(recipe, packages), file: 'disk.qcow2', format: 'qcow2' };
}

function weightsOf(packages: readonly DebianPackage[]): Record<'download' | 'unpack' | 'configure', number> {
  const megabytes = packages.reduce((sum, { size }) => sum + size, 0) / 1e6;
  const slowness = packages.reduce((sum, { name }) => sum + slownessOf(name), 0);
  return {
    download: megabytes * SECONDS_PER_MB,
    unpack: megabytes * SECONDS_PER_UNPACKED_MB,
    configure: slowness * SECONDS_PER_PACKAGE,
  };
}

function slownessOf(name: string): number {
  return SLOW.find(([pattern]) => pattern.test(name))?.[1] ?? 1;
}
