export function packLibrary(output?: string): Promise<string>;
