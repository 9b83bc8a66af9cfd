import { bench } from './index';

/** Vite's runner imports nothing more once this module has been evaluated, so the bench runs within. */
export const exitCode = await bench(process.argv.slice(2));
