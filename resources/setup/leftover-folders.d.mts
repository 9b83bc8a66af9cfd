export function partOf(folder: string): string;
export function removeParts(folder: string): Promise<void>;
