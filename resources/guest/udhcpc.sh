#!/bin/sh
# Called by udhcpc with what the DHCP server said ($1: the event; the rest in variables).
leased=/run/dhcp-$interface
case $1 in
  deconfig)
    # Addresses that somebody else gave it stay.
    [ -e "$leased" ] && ip addr del "$(cat "$leased")" dev "$interface" && rm "$leased"
    ip link set "$interface" up
    ;;
  bound | renew)
    ip addr add "$ip/$mask" broadcast "${broadcast:-+}" dev "$interface" 2> /dev/null
    echo "$ip/$mask" > "$leased"
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
