import { type ChainReference, type DiskInfo, type ImageReference, shown } from '../../index';
import { formatBytes } from '../quantities';

/** What there is to say of a new image that takes all its space although nothing was written to it. */
export function denseText({ file, format, size, allocated }: DiskInfo, platform: NodeJS.Platform = process.platform): string {
  if (format !== 'raw' || allocated < size) return '';
  const why = `its file system has no sparse files${platform === 'win32' ? ', or the package koffi is missing' : ''}`;
  return `hartbox: ${file} takes all its ${formatBytes(size)} at once: ${why}. A qcow2 image takes only what is written to it.\n`;
}

/** What `disk info` tells people. */
export function infoText({ file, format, size, allocated, backing, qcow2 }: DiskInfo, chain: readonly ChainReference[] = []): string {
  const rows: [string, string][] = [
    ['File', file],
    ['Format', qcow2 ? `qcow2, version ${qcow2.version}` : format],
    ['Size of the disk', `${formatBytes(size)} (${size} bytes)`],
    ['Space taken', formatBytes(allocated)],
  ];
  if (backing)
    rows.push([
      'Backing file',
      `${shown(backing.file)}${backing.format ? ` (${shown(backing.format)})` : ''}${backing.exists === false ? ', which is missing' : ''}`,
    ]);
  if (qcow2) {
    const features = [
      qcow2.extendedL2 && 'subclusters',
      qcow2.lazyRefcounts && 'lazy refcounts',
      qcow2.refcountBits !== 16 && `refcounts of ${qcow2.refcountBits} bits`,
      qcow2.compression !== 'zlib' && `compressed by ${qcow2.compression}`,
    ].filter((feature) => typeof feature === 'string');
    rows.push(['Clusters', `of ${formatBytes(qcow2.clusterSize)}${features.length > 0 ? `; ${features.join(', ')}` : ''}`]);
    if (qcow2.dataFile !== undefined) rows.push(['Data in', shown(qcow2.dataFile)]);
    if (qcow2.dirty) rows.push(['State', 'was not closed; it is repaired when it is opened for writing']);
    if (qcow2.corrupt) rows.push(['State', 'damaged: see hartbox disk check']);
    for (const { id, name, date, vmState } of qcow2.snapshots)
      rows.push([
        'Snapshot',
        `${shown(id)}: ${shown(name)}, ${new Date(date).toISOString()}${vmState > 0 ? `, with a machine's state of ${formatBytes(vmState)}` : ''}`,
      ]);
    for (const { name, granularity, inUse, auto } of qcow2.bitmaps)
      rows.push([
        'Bitmap',
        `${shown(name)}, ${formatBytes(granularity)} a bit${auto ? ', records writes' : ''}${inUse ? ', not up to date' : ''}`,
      ]);
  }
  for (const reference of chain) rows.push(['Uses', `${referenceText(reference)}: ${permissionText(reference)}`]);
  const width = Math.max(...rows.map(([label]) => label.length));
  return `${rows.map(([label, value]) => `${label.padEnd(width)}  ${value}`).join('\n')}\n`;
}

/** What an image names. */
export function referenceText({ image, kind, file }: Pick<ImageReference, 'image' | 'kind' | 'file'>): string {
  return `${file}, the ${kind === 'data' ? 'data file' : 'backing file'} of ${image}`;
}

function permissionText({ image, permission }: ChainReference): string {
  switch (permission) {
    case 'folder':
      return 'in its folder';
    case 'library':
      return 'shared by linked clones';
    case 'user':
      return 'allowed';
    case undefined:
      return `not allowed (hartbox disk trust ${image})`;
  }
}
