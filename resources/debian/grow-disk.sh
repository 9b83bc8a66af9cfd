#!/bin/sh
# A disk may have been made larger since it was last started from: its partition takes it all, and systemd lets the file system follow
# (x-systemd.growfs in /etc/fstab).
root=$(findmnt -n -o SOURCE /)
disk=${root%1}
[ "$disk" != "$root" ] || exit 0
sectors=$(($(cat "/sys/class/block/${disk##*/}/size") - 2048))
[ "$sectors" -gt "$(cat "/sys/class/block/${root##*/}/size")" ] && [ "$sectors" -le 4294967295 ] || exit 0
for shift in 0 8 16 24; do printf "\\$(printf %03o $(((sectors >> shift) & 255)))"; done |
  dd of="$disk" bs=1 seek=458 conv=notrunc 2> /dev/null
partx --update --nr 1 "$disk"
