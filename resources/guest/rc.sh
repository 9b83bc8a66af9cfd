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
# The drivers of the virtio devices that this machine has, and of its watchdog, by the aliases that the modules declare.
set --
network=
for modalias in /sys/bus/virtio/devices/*/modalias /sys/bus/platform/devices/*.watchdog/modalias; do
  [ -e "$modalias" ] && read -r alias < "$modalias" || continue
  case $alias in
    virtio:d00000001v*) network=$alias ;;
    *) set -- "$@" "$alias" ;;
  esac
done
[ $# -gt 0 ] && modprobe -a "$@" 2> /dev/null

# Folders of the host, if it shares any.
if [ -e /hartbox/shares ]; then
  while read -r type options tag folder; do
    mkdir -p "$folder"
    mount -t "$type" -o "$options" "$tag" "$folder" || echo "The shared folder $tag could not be mounted at $folder." > /dev/console
  done < /hartbox/shares
fi

ip link set lo up
if [ -n "$network" ]; then
  # The shell need not wait for it; a command that the host has put here may ask for it at once.
  if [ -e /hartbox/online ]; then /etc/network "$network"; else /etc/network "$network" later & fi
fi

# A shell on the screen too, if there is one.
[ -e /sys/class/graphics/fb0 ] && while :; do BESIDE=1 setsid /etc/session /dev/tty1; done &

# And on each terminal beside the first one: virtio consoles that have no ports (VIRTIO_CONSOLE_F_MULTIPORT is bit 1). Nodes there are for more.
terminals=0
for console in /sys/bus/virtio/drivers/virtio_console/virtio*; do
  [ -e "$console" ] && read -r features < "$console/features" || continue
  case $features in
    ?0*)
      [ $terminals -gt 0 ] && while :; do
        BESIDE=1 setsid /etc/session "/dev/hvc$terminals"
        usleep 200000
      done &
      terminals=$((terminals + 1))
      ;;
  esac
done

# The power button is an input device that says nothing until somebody presses it.
for event in /sys/class/input/event*; do
  [ -e "$event" ] && read -r name < "$event/device/name" && [ "$name" = 'Hartbox Power Button' ] &&
    dd if="/dev/input/${event##*/}" of=/dev/null bs=24 count=1 2> /dev/null && poweroff &
done

/etc/ports &
