#!/bin/sh
# Run as root, once on each new machine: the project's key for its users, name servers, and the host key told to who asked for this.
# PUBLIC_KEY_BASE64, USERS and NAME_SERVERS (blanks between several) come from the Vagrantfile.
set -eu
PUBLIC_KEY=$(printf %s "$PUBLIC_KEY_BASE64" | base64 -d)

admit() { # user
  id "$1" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$1"
  home=$(getent passwd "$1" | cut -d: -f6)
  group=$(id -gn "$1")
  install -d -m 700 -o "$1" -g "$group" "$home/.ssh"
  keys=$home/.ssh/authorized_keys
  touch "$keys"
  # Vagrant's own key is known to everybody
  sed -i '/vagrant insecure public key/d' "$keys"
  grep -qxF "$PUBLIC_KEY" "$keys" || printf '%s\n' "$PUBLIC_KEY" >>"$keys"
  chown "$1:$group" "$keys"
  chmod 600 "$keys"
}

for user in $USERS; do
  admit "$user"
  [ "$user" = root ] || {
    echo "$user ALL=(ALL) NOPASSWD: ALL" >"/etc/sudoers.d/kubeup-$user"
    chmod 0440 "/etc/sudoers.d/kubeup-$user"
  }
done

# sudo looks its own machine's name up
getent hosts "$(hostname)" >/dev/null || echo "127.0.1.1 $(hostname)" >>/etc/hosts

if [ -n "$NAME_SERVERS" ] && systemctl --quiet is-active systemd-resolved; then
  mkdir -p /etc/systemd/resolved.conf.d
  printf '[Resolve]\nDNS=%s\n' "$NAME_SERVERS" >/etc/systemd/resolved.conf.d/kubeup.conf
  systemctl restart systemd-resolved
elif [ -n "$NAME_SERVERS" ]; then
  if [ -d /etc/dhcp ]; then # for whatever its next lease says
    servers=$(echo "$NAME_SERVERS" | sed 's/  */, /g')
    grep -qs kubeup /etc/dhcp/dhclient.conf || printf '# kubeup\nsupersede domain-name-servers %s;\n' "$servers" >>/etc/dhcp/dhclient.conf
  fi
  for server in $NAME_SERVERS; do echo "nameserver $server"; done >/etc/resolv.conf
fi

for kind in ed25519 ecdsa rsa; do
  [ ! -e "/etc/ssh/ssh_host_${kind}_key.pub" ] || {
    echo "kubeup-host-key $(cut -d' ' -f1,2 "/etc/ssh/ssh_host_${kind}_key.pub")"
    break
  }
done
