#!/bin/sh
# The console session: `hartbox exec`'s command when the host has put one into the initramfs, else a shell.
export HOME=/root USER=root LOGNAME=root SHELL=/bin/sh TERM=xterm-256color LANG=C.UTF-8
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /root

if [ -e /hartbox/exec ]; then
  ports=/dev/virtio-ports/hartbox
  while [ ! -e $ports.stdin ] || [ ! -e $ports.stdout ] || [ ! -e $ports.stderr ] || [ ! -e $ports.status ]; do
    usleep 5000
  done
  exec 3<> $ports.stdin
  # Reading from a port to which the host has not connected gives end of file; writing waits for the host. So write
  # a byte first (the host discards it), then read.
  echo >&3
  /bin/sh /hartbox/exec <&3 3<&- > $ports.stdout 2> $ports.stderr
  echo $? > $ports.status
  umount -a -r 2> /dev/null
  exec poweroff -f
fi

terminal=/dev/ttyS0
[ -e /dev/hvc0 ] && terminal=/dev/hvc0
# init has made this process a session leader, so the first terminal that it opens becomes its controlling terminal.
exec /bin/sh -l <> $terminal >&0 2>&1
