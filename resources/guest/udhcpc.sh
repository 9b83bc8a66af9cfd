#!/bin/sh
# Called by udhcpc with what the DHCP server said ($1: the event; the rest in variables).
case $1 in
  deconfig)
    # Up, and without an address.
    ifconfig "$interface" 0.0.0.0
    ;;
  bound | renew)
    ifconfig "$interface" "$ip" netmask "$subnet" broadcast "${broadcast:-+}"
    for gateway in $router; do
      ip route replace default via "$gateway" dev "$interface" && break
    done
    {
      [ -n "$domain" ] && echo "search $domain"
      for server in $dns; do
        echo "nameserver $server"
      done
    } > /etc/resolv.conf
    ;;
esac
