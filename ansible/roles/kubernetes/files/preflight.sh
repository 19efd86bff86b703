#!/bin/sh
# What kubeadm's preflight phase would check of this node; prints each thing that is wrong and ends with 1 where there was one.
wrong=0
say() {
  echo "preflight: $1" >&2
  wrong=1
}
mib=$(awk '/^MemTotal/ {print int($2 / 1024)}' /proc/meminfo)
[ "$mib" -ge "$MINIMUM_MIB" ] || say "$mib MiB of memory, $MINIMUM_MIB are needed: raise nodes.*.memory"
[ -n "$SWAP_ALLOWED" ] || [ "$(wc -l </proc/swaps)" -le 1 ] || say "swap is on: kubelet does not start with it"
[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || say "net.ipv4.ip_forward is 0"
ctr version >/dev/null 2>&1 || say "containerd does not answer"
# what an interrupted run left listening is this cluster's own
[ ! -e /var/lib/kubelet/config.yaml ] || PORTS=
for port in $PORTS; do
  [ -z "$(ss -Hltn "sport = :$port")" ] || say "port $port is taken: $(ss -Hltnp "sport = :$port")"
done
for tool in conntrack iptables ip ethtool socat mount; do
  command -v "$tool" >/dev/null || say "$tool is missing"
done
exit "$wrong"
