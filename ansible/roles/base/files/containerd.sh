#!/bin/sh
# Looks whose containerd a node has, before anything is changed. Prints
#   docker      where it is that of Docker's own packages. They conflict with the distribution's
#               containerd and runc, for which apt would remove Docker
#   refused: …  where Kubernetes can't use it, or its configuration was made by somebody
file=/etc/containerd/config.toml
status=$(dpkg-query --show --showformat '${db:Status-Status} ${Version}' containerd.io 2>/dev/null)
case $status in
  "installed "*)
    version=${status#installed }
    echo docker
    dpkg --compare-versions "$version" ge 1.6 ||
      echo "refused: containerd.io $version is too old for Kubernetes 1.26, which speaks CRI v1" \
        "alone: have 1.6 or newer (apt-get install containerd.io)"
    ;;
esac
[ -e "$file" ] || exit 0
# written by the role containerd, also by one that did not yet say so, were it cut off later on
if head -n 1 "$file" | grep -q kubeup || [ -d /etc/kubeup ]; then
  exit 0
fi
sum=$(md5sum <"$file" | cut -d ' ' -f 1)
# as a package brought it: Docker's turns off the very plug-in that Kubernetes needs
dpkg-query --show --showformat '${Conffiles}\n' containerd containerd.io 2>/dev/null |
  grep -q " $file $sum" ||
  echo "refused: $file was changed by somebody, and Kubernetes needs one of its own:" \
    "move it away where nothing else needs it, or take another machine"
