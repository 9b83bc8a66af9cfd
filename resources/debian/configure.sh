# Runs on the new disk: what dpkg would do once the packages are unpacked, and what makes of them a system that boots.
set -e
export PATH=/run/hartbox:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true

for name in passwd group; do cp "/usr/share/base-passwd/$name.master" "/etc/$name"; done
# Scripts use it before the package that chooses it is configured.
[ -e /usr/bin/awk ] || ln -s mawk /usr/bin/awk
# Services are for the machine that boots this disk.
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
# Each box makes host keys of its own when it starts for the first time; the package is not to make them here.
mkdir -p /etc/ssh
for kind in rsa ecdsa ed25519; do : > "/etc/ssh/ssh_host_${kind}_key"; done

# What the package's own program does for a new system takes ten processes for each of 150 certificates; here it is one for all.
mkdir -p /run/hartbox
cat > /run/hartbox/update-ca-certificates <<'PROGRAM'
#!/bin/sh
set -e
cd /etc/ssl/certs
perl -e '
  open(my $names, "<", "/etc/ca-certificates.conf") or die;
  open(my $all, ">", "ca-certificates.crt") or die;
  while (my $name = <$names>) {
    chomp $name;
    next if $name eq "" || $name =~ /^[#!]/;
    my $from = "/usr/share/ca-certificates/$name";
    open(my $one, "<", $from) or next;
    my $text = join("", <$one>);
    print $all $text =~ /\n\z/ ? $text : "$text\n";
    my ($link) = $name =~ m{([^/]+)\.crt$} or next;
    $link =~ tr/ (),/_==_/;
    symlink($from, "$link.pem");
  }'
openssl rehash . > /dev/null
PROGRAM
chmod 755 /run/hartbox/update-ca-certificates

while read -r package; do
  for script in /var/lib/dpkg/info/$package.preinst /var/lib/dpkg/info/$package:*.preinst; do
    [ -e "$script" ] || continue
    DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE=$package "$script" install
  done
done < /hartbox-order
rm /hartbox-order
# There are no locales to make yet, and asking which takes longer than all else of many packages.
info=/var/lib/dpkg/info
mkdir /run/hartbox/scripts
mv $info/locales.postinst $info/locales.config /run/hartbox/scripts
printf '# LOCALE CHARSET, one a line; then: locale-gen\n' > /etc/locale.gen

# The early file system of this kernel is there; the system makes one itself for those to come.
printf '#!/bin/sh\n' > /run/hartbox/update-initramfs
chmod 755 /run/hartbox/update-initramfs

dpkg --force-unsafe-io --force-confold --configure -a

cp -p /run/hartbox/scripts/* $info
# What only a trigger of dpkg would do, which runs where packages are unpacked by it: programs find icons without looking through all folders.
[ ! -x /usr/bin/gtk-update-icon-cache ] || for theme in /usr/share/icons/*/index.theme; do gtk-update-icon-cache --quiet --force "${theme%/*}" || :; done

rm -f /usr/sbin/policy-rc.d /etc/ssh/ssh_host_*
systemctl enable systemd-networkd systemd-resolved hartbox-first-boot hartbox-grow-disk 2> /dev/null
# Looks after snapshots of LVM, which is not there, each time that a box starts.
systemctl disable e2scrub_reap e2scrub_all.timer 2> /dev/null || :
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
if [ -e /usr/sbin/lightdm ]; then
  systemctl set-default graphical.target 2> /dev/null
  ln -sf /usr/lib/systemd/system/lightdm.service /etc/systemd/system/display-manager.service
fi
passwd --lock root > /dev/null
# Each box has its own.
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed
rm -rf /tmp/* /var/cache/debconf/*-old /var/lib/dpkg/*-old
# All that systemd makes anew after an update of /usr is there: no box is to make it when it starts for the first time.
touch /etc/.updated /var/.updated
