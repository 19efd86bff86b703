// Command pause keeps a pod's namespaces: it waits for a signal and reaps the children it inherits.
// It stands in for registry.k8s.io/pause where that registry can't be reached.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func reap() {
	var status syscall.WaitStatus
	for {
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if pid <= 0 && err != syscall.EINTR {
			return
		}
	}
}

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			os.Exit(0)
		}
		reap()
	}
}
