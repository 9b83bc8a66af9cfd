export function isNodeIn(range: string, version: string): boolean;
