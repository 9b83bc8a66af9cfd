#!/bin/sh
# After an .rpm was removed (1: it was replaced by another).
[ "$1" = 1 ] || rm -f /usr/bin/hartbox
