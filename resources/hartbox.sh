#!/bin/sh
# The command of an installed Hartbox: its own Node with its own code, wherever this file is linked from. (The app's executable is no Node:
# its fuses forbid that.)
self=$(readlink -f -- "$0") || exit 125
here=${self%/bin/hartbox}
exec "$here/cli/node" "$here/cli/out/main/cli.js" "$@"
