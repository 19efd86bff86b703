// crictl speaks to a container runtime over its CRI socket. This is a small stand-in for the tool of that name, as no
// package registry serves it: the calls that minikube 1.36 and kubeadm 1.26 make, in the words and with the output they
// expect, and nothing else.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	configFile = "/etc/crictl.yaml" // minikube writes the socket into it
	noConfig   = "unix:///run/containerd/containerd.sock"
	connecting = 5 * time.Second
	working    = 10 * time.Minute
	maxAnswer  = 16 << 20 // containerd's own limit
)

// runtime is a connection to both services of a container runtime.
type runtime struct {
	context    context.Context
	containers cri.RuntimeServiceClient
	images     cri.ImageServiceClient
}

// commands by the words that call them. minikube asks for what runs (ps), prepares (info, images, pull, rmi), ends
// containers (stop, rm) and shows their output (logs); kubeadm looks whether the runtime answers (info) and whether an
// image is there (inspecti), and its reset ends pods (pods, stopp, rmp).
var commands = map[string]func(runtime, []string) error{
	"version":  version,
	"info":     info,
	"ps":       listContainers,
	"stop":     stopContainers,
	"rm":       removeContainers,
	"logs":     logs,
	"pods":     listPods,
	"stopp":    stopPods,
	"rmp":      removePods,
	"images":   listImages,
	"pull":     pullImages,
	"rmi":      removeImages,
	"inspecti": inspectImages,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "crictl:", err)
		os.Exit(1)
	}
}

func run(words []string) error {
	global := flag.NewFlagSet("crictl", flag.ContinueOnError)
	endpoint := global.String("r", "", "the runtime's socket")
	global.Bool("D", false, "taken, as kubeadm gives it; there is no debugging to turn off")
	asked := global.Bool("version", false, "print the version")
	if err := global.Parse(words); err != nil {
		return err
	}
	if *asked {
		fmt.Println("crictl version stand-in")
		return nil
	}
	if global.NArg() == 0 {
		return errors.New("a command is needed")
	}
	command, known := commands[global.Arg(0)]
	if !known {
		return fmt.Errorf("this stand-in does not know %q", global.Arg(0))
	}
	ctx, cancel := context.WithTimeout(context.Background(), working)
	defer cancel()
	rt, err := connect(ctx, *endpoint)
	if err != nil {
		return err
	}
	return command(rt, global.Args()[1:])
}

func connect(ctx context.Context, endpoint string) (runtime, error) {
	if endpoint == "" {
		endpoint = configured()
	}
	waiting, cancel := context.WithTimeout(ctx, connecting)
	defer cancel()
	connection, err := grpc.DialContext(waiting, strings.TrimPrefix(endpoint, "unix://"),
		grpc.WithBlock(), grpc.FailOnNonTempDialError(true), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		grpc.WithContextDialer(func(ctx context.Context, path string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}))
	if err != nil {
		return runtime{}, fmt.Errorf("%s: %w", endpoint, err)
	}
	return runtime{ctx, cri.NewRuntimeServiceClient(connection), cri.NewImageServiceClient(connection)}, nil
}

// configured is the socket of the configuration file, which is YAML, but of a single line.
func configured() string {
	file, err := os.Open(configFile)
	if err != nil {
		return noConfig
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), "runtime-endpoint:"); found {
			return strings.TrimSpace(value)
		}
	}
	return noConfig
}
