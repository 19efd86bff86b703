"""What brings a cluster up. Nothing outside this package asks which provider it is."""
