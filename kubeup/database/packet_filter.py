"""Who reaches the database's port on a machine: its clients and the machine itself.

One script with the rules in it, which lies beside the service's files. The database is in the
host's network: what comes to its port is the chain INPUT's, and docker's own chains (DOCKER-USER
and those of published ports) never see it.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

from kubeup.system import cache

NAME = "filter.sh"
UNIT = "kubeup-db-filter.service"
# `nft -f` and iptables-restore exchange all of it at once: there is no moment without rules.
# A packet that one table drops is gone whatever others accept (https://wiki.nftables.org,
# "Configuring chains"), and nobody else flushes a table of our own; iptables' table is everybody's,
# so our rule has to be the first there.
# nftables.service empties all tables when it is started, so ours come after it, each time.
# The label tells which clients the rules are for: a file that is newer than they are is seen.
# No rule tells IPv6 from a stranger's: the database has an IPv4 address alone.
SCRIPT = r"""#!/bin/sh
# kubeup: who may reach the database's port. Made anew by `inv up`.
# on: put the rules there; off: take them away; state: `on` where they are as they should be;
# install, remove: the same at each start of this machine.
port={port} clients='{clients}'
chain=KUBEUP-DB table=kubeup_db label='kubeup: the database is for its clients alone ({digest})'
unit=/etc/systemd/system/{unit}
has_nft() {{ nft list tables >/dev/null 2>&1; }}
listed() {{ echo "$clients" | sed 's/ /, /g'; }}
rules() {{
  cat <<END
table inet $table
delete table inet $table
table inet $table {{
  chain input {{
    type filter hook input priority -1; policy accept;
    iifname "lo" accept
    tcp dport $port ip saddr {{ $(listed) }} accept
    tcp dport $port drop comment "$label"
  }}
}}
END
}}
jump="INPUT -p tcp -m tcp --dport $port -j $chain"
chains() {{
  echo '*filter'
  echo ":$chain - [0:0]"
  echo "-A $chain -i lo -j RETURN"
  for client in $clients; do echo "-A $chain -s $client -j RETURN"; done
  echo "-A $chain -m comment --comment \"$label\" -j DROP"
  echo COMMIT
}}
unhook() {{ while iptables -w -D $jump 2>/dev/null; do :; done; }}
without_iptables() {{
  command -v iptables >/dev/null || return 0
  unhook
  iptables -w -F $chain 2>/dev/null && iptables -w -X $chain
  return 0
}}
without_nft() {{ nft delete table inet $table 2>/dev/null; return 0; }}
on() {{
  if has_nft; then
    rules | nft -f - && without_iptables
    return
  fi
  chains | iptables-restore --wait --noflush && without_nft || return
  # an earlier one that is not the first any more does no harm
  test "$(state)" = on || iptables -w -I $jump
}}
state() {{
  if has_nft; then
    nft list table inet $table 2>/dev/null | grep -qF "$label" && echo on
  else
    iptables -w -S INPUT 2>/dev/null | grep '^-A' | head -n 1 | grep -qx -- "-A $jump" &&
      iptables -w -S $chain 2>/dev/null | grep -qF "$label" && echo on
  fi
  return 0
}}
case $1 in
  on) on ;;
  off) without_nft; without_iptables ;;
  state) state ;;
  install)
    cat >"$unit.new" <<END
[Unit]
Description=The database is for its clients alone
After=nftables.service netfilter-persistent.service ufw.service firewalld.service
PartOf=nftables.service
Before=docker.service kubeup-docker.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh $(readlink -f "$0") on
[Install]
WantedBy=multi-user.target
END
    mv "$unit.new" "$unit" && systemctl daemon-reload &&
      systemctl enable --quiet {unit} && systemctl restart {unit} && test "$(state)" = on ;;
  remove)
    systemctl disable --quiet --now {unit} 2>/dev/null
    rm -f "$unit" && systemctl daemon-reload
    without_nft; without_iptables ;;
esac
"""


def script(port: int, clients: Iterable[str]) -> str:
    """The script for these addresses and networks, at least one, in IPv4.

    Raises ValueError for what is neither: nothing else gets into a script that root runs.
    """
    listed = " ".join(sorted({str(IPv4Network(one)) for one in clients}))
    return SCRIPT.format(port=port, clients=listed, digest=cache.digest(listed)[:8], unit=UNIT)
