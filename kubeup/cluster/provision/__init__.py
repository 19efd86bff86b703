"""Makes a cluster of machines: the inventory, the play in ansible/, and what it left behind."""
