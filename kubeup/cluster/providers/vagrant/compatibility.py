"""Which Vagrant does for the VirtualBox that it is to drive, and which one packages bring.

Data in, data out.
"""

from __future__ import annotations

from kubeup.cluster.providers.external_tool import Misfit
from kubeup.cluster.providers.versions import Version, dotted

OLDEST: Version = (2, 2, 19)  # the first that knows which addresses VirtualBox allows
# the first with config.vm.box_architecture: hashicorp/vagrant#13239
ARCHITECTURE: Version = (2, 4, 0)

# The first Vagrant for a VirtualBox, by Vagrant's CHANGELOG; older VirtualBoxes are known to all
# from OLDEST on. Vagrant has a list of them in its code, and ends with an error for any other. 7.0
# is known to 2.3.2, whose host-only networks are not right on it before 2.3.4
# (hashicorp/vagrant#12983, #13004, #13024); 7.1: #13513, 7.2: #13709.
FIRST: dict[Version, Version] = {(7, 0): (2, 3, 4), (7, 1): (2, 4, 2), (7, 2): (2, 4, 9)}
EARLIER: Version = (6, 1)  # the last that all of them know

# Vagrant in Debian's and Ubuntu's own packages, by the release's code name. Debian 11 has 2.2.14.
PACKAGED: dict[str, Version] = {"bookworm": (2, 3, 4), "trixie": (2, 3, 7), "jammy": (2, 2, 19)}

INSTALL = "https://developer.hashicorp.com/vagrant/install"
VIRTUALBOXES = "https://www.virtualbox.org/wiki/Download_Old_Builds"


def pair_misfit(vagrant: Version, virtualbox: Version) -> Misfit | None:
    """Why a Vagrant does not drive a VirtualBox, if it does not."""
    if not virtualbox:
        why = "the version of VirtualBox can't be read"
        return Misfit(why, "see what `VBoxManage --version` says")
    series, newest = virtualbox[:2], max(FIRST)
    first = FIRST.get(series, OLDEST)
    fits, need = vagrant >= first, f"Vagrant {dotted(first)} or newer"
    if series > newest:
        known = FIRST[newest]
        fits, need = vagrant > known, f"a Vagrant newer than {dotted(known)}"
    if fits:
        return None
    known_boxes = [box for box, first in FIRST.items() if first <= vagrant]
    older = dotted(max(known_boxes, default=EARLIER))
    return Misfit(
        f"Vagrant {dotted(vagrant)} does not support VirtualBox {dotted(virtualbox)}: that needs "
        f"{need}",
        f"install {need} from {INSTALL}; or VirtualBox {older}, which this Vagrant supports, from "
        f"{VIRTUALBOXES}",
    )
