/// <reference types="vite/client" />
import type { Bridge } from '../main/contract';

declare global {
  interface Window {
    /** Put there by the preload script. */
    readonly hartbox: Bridge;
  }
}
