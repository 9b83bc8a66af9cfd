#!/bin/sh
# Names the virtio console ports: /dev/virtio-ports/NAME. A port's name comes from the host some time after the port.
# Then obeys the port hartbox.control, on which the host asks for a poweroff.
tries=0
while [ $tries -lt 100 ]; do
  unnamed=0
  for port in /sys/class/virtio-ports/vport*; do
    [ -e "$port" ] || continue
    if [ -e "$port/name" ] && read -r name < "$port/name" && [ -n "$name" ]; then
      [ -e "/dev/virtio-ports/$name" ] || ln -s "../${port##*/}" "/dev/virtio-ports/$name"
    else
      unnamed=1
    fi
  done
  [ -e /dev/virtio-ports/hartbox.control ] && break
  usleep 50000
  tries=$((tries + 1))
done

control=/dev/virtio-ports/hartbox.control
[ -e "$control" ] || exit
while :; do
  while read -r command; do
    case $command in
      poweroff) poweroff ;;
    esac
  done < "$control"
  # End of file: nobody is connected on the host's side.
  sleep 1
done
