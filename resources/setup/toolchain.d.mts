export function isNodeIn(range: string, version: string): boolean;
/** The script behind an installed package's command. */
export function packageCommand(name: string, command?: string): string;
