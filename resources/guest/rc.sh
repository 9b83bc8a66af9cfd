#!/bin/sh
# What the default guest does once, before the shell: file systems, drivers, ports, network.
# Every command costs the emulated machine about a million instructions, so there are few.
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox mkdir -p /dev/pts /dev/shm /dev/virtio-ports
busybox mount -t devpts -o gid=5,mode=620,ptmxmode=666 pts /dev/pts
busybox --install -s
echo hartbox > /proc/sys/kernel/hostname

modprobe virtio_mmio
# The drivers of the virtio devices that this machine has, by the aliases that the modules declare.
set --
for modalias in /sys/bus/virtio/devices/*/modalias; do
  [ -e "$modalias" ] && read -r alias < "$modalias" && set -- "$@" "$alias"
done
[ $# -gt 0 ] && modprobe -a "$@" 2> /dev/null

ip link set lo up
for interface in /sys/class/net/*; do
  interface=${interface##*/}
  [ "$interface" = lo ] && continue
  # -S: to the system log, so that nothing is written over the prompt. It goes on trying in the background.
  udhcpc -i "$interface" -b -S -t 3 -T 1 -A 10 -s /etc/udhcpc.sh > /dev/null 2>&1 &
done

# The power button is an input device that says nothing until somebody presses it.
for event in /sys/class/input/event*; do
  [ -e "$event" ] && read -r name < "$event/device/name" && [ "$name" = 'Hartbox Power Button' ] &&
    dd if="/dev/input/${event##*/}" of=/dev/null bs=24 count=1 2> /dev/null && poweroff &
done

/etc/ports &
