"""This machine and the ways from it: packages, files, sites, SSH, kubectl."""
