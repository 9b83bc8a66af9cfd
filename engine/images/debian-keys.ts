import archiveKey12 from '../../resources/debian-archive/archive-key-12.asc?raw';
import archiveKey13 from '../../resources/debian-archive/archive-key-13.asc?raw';
import releaseKey13 from '../../resources/debian-archive/release-key-13.asc?raw';

/** The keys that Debian signs the index of trixie with; resources/debian-archive/README.md says where they come from. */
export const debianArchiveKeys: readonly string[] = [archiveKey12, archiveKey13, releaseKey13];
