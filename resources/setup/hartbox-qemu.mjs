#!/usr/bin/env node
/** `hartbox qemu …` from the sources in one word: make qemu QEMU=…/resources/setup/hartbox-qemu.mjs */
process.argv.splice(2, 0, 'qemu');
await import('./hartbox.mjs');
