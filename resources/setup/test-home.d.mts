export const testHome: string;
