import type { ShareNode } from './share-node';
import type { Found, SharedFolder } from './shared-folder';

/** The names from the root to a node, by which a snapshot knows it; null where it has none any more. */
export function namesOf(node: ShareNode, root: ShareNode): string[] | null {
  const names: string[] = [];
  const seen = new Set<ShareNode>();
  for (let at = node; at !== root; ) {
    const place = at.places.at(0);
    if (!place || seen.has(at)) return null;
    seen.add(at);
    names.unshift(place.name);
    at = place.parent;
  }
  return names;
}

/** What such names lead to now, held once. Rejects where that is nothing. */
export async function findByNames(folder: SharedFolder, names: readonly string[]): Promise<ShareNode> {
  let node = folder.hold(folder.root);
  for (const name of names) {
    let found: Found;
    try {
      found = await folder.lookup(node, name);
    } finally {
      folder.release(node);
    }
    node = found.node;
  }
  return node;
}
