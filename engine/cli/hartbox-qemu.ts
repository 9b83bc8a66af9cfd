#!/usr/bin/env node
// `hartbox-qemu …` is `hartbox qemu …` in one word, for whoever takes the name of a program only: make qemu QEMU=hartbox-qemu.
process.argv.splice(2, 0, 'qemu');
export {};
await import('./index');
