#!/bin/busybox sh
# Finds the disk, and hands over to the system on it. It stands in the place of an initramfs that the system makes for each kernel to
# come: this one is ready sooner, and loads no more than it takes.
export PATH=/bin:/sbin
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
root=
mode=ro
init=/sbin/init
for word in $(busybox cat /proc/cmdline); do
  case $word in
    root=*) root=${word#root=} ;;
    rw) mode=rw ;;
    init=*) init=${word#init=} ;;
  esac
done
busybox modprobe -a virtio_mmio virtio_pci virtio_blk virtio_scsi sd_mod crc32c_generic ext4 2> /dev/null
tries=0
until disk=$(busybox findfs "$root" 2> /dev/null) && [ -b "$disk" ] || [ -b "${disk:=$root}" ]; do
  disk=
  tries=$((tries + 1))
  if [ "$tries" -gt 3000 ]; then
    echo "There is no disk $root. exit tries again." > /dev/console
    busybox setsid busybox sh <> /dev/console >&0 2>&1
    tries=0
  fi
  busybox usleep 20000
done
busybox mount -t ext4 -o "$mode" "$disk" /mnt || busybox setsid busybox sh <> /dev/console >&0 2>&1
busybox umount /proc /sys
busybox mount --move /dev /mnt/dev
exec busybox switch_root /mnt "$init"
