module kubeup/beds/minikube/kindnetd

go 1.24.0

require github.com/vishvananda/netlink v1.1.0

require (
	github.com/vishvananda/netns v0.0.0-20191106174202-0a2b9b5464df // indirect
	golang.org/x/sys v0.3.0 // indirect
)
