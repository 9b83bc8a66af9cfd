#!/bin/sh
# What is different from box to box: read once, from the disc labelled CIDATA that Hartbox gives a new box, as lines KEY=VALUE.
seed=/run/hartbox-seed
disc=$(blkid -L CIDATA) || exit 0
mkdir -p "$seed"
mount -t iso9660 -o ro "$disc" "$seed" || exit 0
file=$seed/hartbox
[ -e "$file" ] || { umount "$seed"; exit 0; }

user=
password='*'
keys=
locale=
while IFS= read -r line; do
  value=${line#*=}
  case ${line%%=*} in
    hostname)
      echo "$value" > /etc/hostname
      hostname "$value"
      printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost ip6-localhost ip6-loopback\n' "$value" > /etc/hosts
      ;;
    timezone)
      if [ -e "/usr/share/zoneinfo/$value" ]; then
        ln -sf "/usr/share/zoneinfo/$value" /etc/localtime
        echo "$value" > /etc/timezone
      fi
      ;;
    locale) locale=$value ;;
    user) user=$value ;;
    password) password=$value ;;
    sudo)
      printf '%s ALL=(ALL:ALL) NOPASSWD:ALL\n' "$user" > /etc/sudoers.d/hartbox
      chmod 440 /etc/sudoers.d/hartbox
      ;;
    key) keys="$keys$value
" ;;
  esac
done < "$file"
umount "$seed"

if [ -n "$user" ]; then
  groups=
  while IFS=: read -r group _; do
    case $group in sudo | adm | audio | video | input | render | plugdev) groups=$groups${groups:+,}$group ;; esac
  done < /etc/group
  # In one go: each of these programs takes a second on a busy host.
  useradd --create-home --shell /bin/bash --groups "$groups" --password "$password" "$user"
  if [ -n "$keys" ]; then
    mkdir "/home/$user/.ssh"
    printf %s "$keys" > "/home/$user/.ssh/authorized_keys"
    chmod 700 "/home/$user/.ssh"
    chmod 600 "/home/$user/.ssh/authorized_keys"
    chown -R "$user:" "/home/$user/.ssh"
  fi
  if [ -d /etc/lightdm ]; then
    mkdir -p /etc/lightdm/lightdm.conf.d
    printf '[Seat:*]\nautologin-user=%s\n' "$user" > /etc/lightdm/lightdm.conf.d/50-hartbox.conf
  fi
fi
[ -e /etc/ssh/sshd_config ] && ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
case $locale in
  '' | C.UTF-8) ;;
  *)
    if [ -e "/usr/share/i18n/locales/${locale%%.*}" ]; then
      localedef -i "${locale%%.*}" -f UTF-8 "$locale" || :
      grep -q "^$locale " /etc/locale.gen 2> /dev/null || echo "$locale UTF-8" >> /etc/locale.gen
      echo "LANG=$locale" > /etc/default/locale
    fi
    ;;
esac
systemctl disable hartbox-first-boot 2> /dev/null
exit 0
