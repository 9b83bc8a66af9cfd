#!/bin/sh
# Called by udhcpc with what the DHCP server said ($1: the event; the rest in variables).
case $1 in
  deconfig)
    ip addr flush dev "$interface"
    ip link set "$interface" up
    ;;
  bound | renew)
    ip addr flush dev "$interface"
    ip addr add "$ip/$mask" broadcast "${broadcast:-+}" dev "$interface"
    for gateway in $router; do
      ip route replace default via "$gateway" dev "$interface" && break
    done
    : > /etc/resolv.conf
    [ -n "$domain" ] && echo "search $domain" >> /etc/resolv.conf
    for server in $dns; do
      echo "nameserver $server" >> /etc/resolv.conf
    done
    ;;
esac
