#!/bin/sh
# Names the virtio console ports: /dev/virtio-ports/NAME. A port's name comes from the host some time after the port.
# Then obeys the port hartbox.control, on which the host asks for a poweroff.
tries=0
while [ $tries -lt 400 ]; do
  for port in /sys/class/virtio-ports/vport*; do
    if [ -e "$port/name" ] && read -r name < "$port/name" && [ -n "$name" ] && [ ! -e "/dev/virtio-ports/$name" ]; then
      ln -s "../${port##*/}" "/dev/virtio-ports/$name"
    fi
  done
  [ -e /dev/virtio-ports/hartbox.control ] && break
  usleep 10000
  tries=$((tries + 1))
done

control=/dev/virtio-ports/hartbox.control
[ -e "$control" ] || exit
while :; do
  while read -r command; do
    case $command in
      poweroff)
        # What init does, without its pauses of two seconds. kill -1 spares init and the process that calls it.
        kill -TERM -1
        usleep 300000
        kill -KILL -1
        sync
        umount -a -r 2> /dev/null
        poweroff -f
        ;;
    esac
  done < "$control"
  # End of file: nobody is connected on the host's side.
  sleep 1
done
