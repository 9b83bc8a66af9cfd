# Runs in the built-in Linux: makes of the empty disk /dev/vda and the archive on /dev/vdb a Debian whose packages are configured.
# What it prints tells the host how far it has come.
set -e
exec 2>&1
echo '@ format'
modprobe -a ext4
/hartbox/bin/mke2fs -q -F -t ext4 -L hartbox -i 32768 -E nodiscard /dev/vda
mount -t ext4 -o noatime,nobarrier,data=writeback,noinit_itable /dev/vda /mnt
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
