#!/bin/sh
# The console session: `hartbox exec`'s command when the host has put one into the initramfs, else a shell.
# With the name of a terminal: a shell there. A command is at the terminal where the host says so, else at ports of its own.
export HOME=/root USER=root LOGNAME=root SHELL=/bin/sh TERM=xterm-256color LANG=C.UTF-8
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /root

[ $# -gt 0 ] && exec /bin/sh -l <> "$1" >&0 2>&1

# Waits until all these files are there; fails after ten seconds.
await() {
  tries=1000
  for file in "$@"; do
    until [ -e "$file" ]; do
      tries=$((tries - 1))
      [ $tries -gt 0 ] || return 1
      usleep 10000
    done
  done
}

find_terminal() {
  terminal=/dev/ttyS0
  # A virtio console says only after its driver has started whether it has a terminal.
  for console in /sys/bus/virtio/drivers/virtio_console/virtio*; do
    [ -e "$console" ] && await /dev/hvc0 && terminal=/dev/hvc0
  done
}

if [ -e /hartbox/tty ]; then
  status=/dev/virtio-ports/hartbox.status
  if await $status; then
    find_terminal
    exec <> $terminal >&0 2>&1
    # The command's to hear. This process waits for its end.
    trap : INT QUIT
    # Keys come to the terminal that has spoken.
    echo
    # From here on the host shows it. What is typed at once is for the command already.
    (echo begin > $status; exec /bin/sh /hartbox/exec)
    echo $? > $status
    # Nor what the kernel says at the end.
    echo 0 > /proc/sys/kernel/printk
  else
    echo "hartbox exec: the port $status is missing" > /dev/console
  fi
elif [ -e /hartbox/exec ]; then
  ports=/dev/virtio-ports/hartbox
  if await $ports.stdin $ports.stdout $ports.stderr $ports.status; then
    exec 3<> $ports.stdin
    # Reading from a port to which the host has not connected gives end of file; writing waits for the host. So write
    # a byte first (the host discards it), then read.
    echo >&3
    /bin/sh /hartbox/exec <&3 3<&- > $ports.stdout 2> $ports.stderr
    echo $? > $ports.status
  else
    echo "hartbox exec: the ports $ports.{stdin,stdout,stderr,status} are missing" > /dev/console
  fi
fi
if [ -e /hartbox/exec ]; then
  umount -a -r 2> /dev/null
  exec poweroff -f
fi

find_terminal
# init has made this process a session leader, so the first terminal that it opens becomes its controlling terminal.
exec /bin/sh -l <> $terminal >&0 2>&1
