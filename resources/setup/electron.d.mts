export function electronPath(): Promise<string>;
export function electronArguments(): Promise<string[]>;
export function ensureElectronLibraries(executable: string, options?: { display?: boolean }): Promise<void>;
