# Runs in the built-in Linux: makes of the empty disk /dev/vda and the archive on /dev/vdb a Debian whose packages are configured.
# What it prints tells the host how far it has come.
set -e
exec 2>&1
echo '@ format'
modprobe -a ext4
# One partition, from 1 MiB to the end: U-Boot looks for nothing where there is no table.
sectors=$(($(cat /sys/class/block/vda/size) - 2048))
le32() { for shift in 0 8 16 24; do printf "\\$(printf %03o $((($1 >> shift) & 255)))"; done; }
{
  head -c 446 /dev/zero
  printf '\200\376\377\377\203\376\377\377'
  le32 2048
  le32 $sectors
  head -c 48 /dev/zero
  printf '\125\252'
} > /tmp/table
dd if=/tmp/table of=/dev/vda 2> /dev/null
blockdev --rereadpt /dev/vda
until [ -b /dev/vda1 ]; do usleep 10000; done
/hartbox/bin/mke2fs -q -F -t ext4 -L hartbox -i 32768 -E nodiscard /dev/vda1
mount -t ext4 -o noatime,nobarrier,data=writeback,noinit_itable /dev/vda1 /mnt
echo '@ unpack'
tar -x --numeric-owner -f /dev/vdb -C /mnt
mount --bind /dev /mnt/dev
mount -t devpts -o gid=5,mode=620,ptmxmode=666 pts /mnt/dev/pts
mount -t proc proc /mnt/proc
mount -t sysfs sys /mnt/sys
mount -t tmpfs run /mnt/run
echo '@ configure'
chroot /mnt /bin/sh /hartbox-configure
rm -f /mnt/hartbox-configure
echo '@ finish'
umount /mnt/run /mnt/sys /mnt/proc /mnt/dev/pts /mnt/dev
fstrim /mnt 2> /dev/null || :
umount /mnt
echo '@ done'
