#!/bin/sh
# `hartbox qemu` in one word, wherever this file is linked from: it lies beside `hartbox`.
self=$(readlink -f -- "$0") || exit 125
exec "${self%-qemu}" qemu "$@"
