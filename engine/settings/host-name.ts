/** A host name for a box that is called so. */
export function hostNameOf(name: string): string {
  const host = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
  return host || 'hartbox';
}
