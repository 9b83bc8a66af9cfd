import type { ITheme } from '@xterm/xterm';

/** Colours of a terminal, dark in both appearances as a screen is; each at least 4.5:1 on the background. */
export const terminalTheme: ITheme = {
  background: '#101314',
  foreground: '#d6dad8',
  cursor: '#5ccfa6',
  cursorAccent: '#101314',
  selectionBackground: '#2f5548',
  black: '#7f8785',
  red: '#f0827c',
  green: '#6fce9a',
  yellow: '#dfbd6b',
  blue: '#7fb3ee',
  magenta: '#c9a0ea',
  cyan: '#62c6cf',
  white: '#d6dad8',
  brightBlack: '#9aa2a0',
  brightRed: '#f7a39e',
  brightGreen: '#93e2b6',
  brightYellow: '#f0d490',
  brightBlue: '#a5cbf6',
  brightMagenta: '#dcc0f4',
  brightCyan: '#8edde4',
  brightWhite: '#ffffff',
};
