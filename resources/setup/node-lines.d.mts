export const nodeLines: string[];
export const lackOfNodeLines: string | undefined;
export function nodeOfLine(line: string): Promise<string>;
