#!/bin/sh
# Brings up the network adapters, whose driver has the alias $1, and ends when they have an address, or nobody gave them one.
# With $2: when nobody else needs the hart.
[ -n "$2" ] && renice -n 19 -p $$
modprobe "$1" 2> /dev/null
for interface in /sys/class/net/*; do
  interface=${interface##*/}
  [ "$interface" = lo ] && continue
  # -S: to the system log, so that nothing is written over the prompt. It goes on trying in the background.
  udhcpc -i "$interface" -b -S -t 3 -T 1 -A 10 -s /etc/udhcpc.sh > /dev/null 2>&1 &
done
wait
