import { EXTENDED_L2, type Qcow2Header } from './header';

/** Sizes that follow from an image's header. */
export interface Layout {
  readonly clusterBits: number;
  readonly clusterSize: number;
  /** Bytes of an L2 entry: 8, or 16 with subclusters. */
  readonly entryBytes: 8 | 16;
  /** Entries of an L2 table. */
  readonly l2Entries: number;
  /** Subclusters of a cluster: 32, or 1 where the image has none. */
  readonly subclusters: 1 | 32;
  readonly subclusterSize: number;
  readonly refcountBits: number;
  /** Entries of a refcount block. */
  readonly refcountEntries: number;
  /** Whether an entry can say that a cluster reads as zeroes. */
  readonly hasZeroFlag: boolean;
}

export function layoutOf({
  clusterBits,
  incompatible,
  refcountBits,
  version,
}: Pick<Qcow2Header, 'clusterBits' | 'incompatible' | 'refcountBits' | 'version'>): Layout {
  const clusterSize = 2 ** clusterBits;
  const extended = (incompatible & EXTENDED_L2) !== 0;
  const entryBytes = extended ? 16 : 8;
  const subclusters = extended ? 32 : 1;
  return {
    clusterBits,
    clusterSize,
    entryBytes,
    l2Entries: clusterSize / entryBytes,
    subclusters,
    subclusterSize: clusterSize / subclusters,
    refcountBits,
    refcountEntries: (clusterSize * 8) / refcountBits,
    hasZeroFlag: version === 3,
  };
}
