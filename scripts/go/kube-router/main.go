// Command kube-router enforces NetworkPolicies on its node. It is the firewall of kube-router and
// nothing else of it: no routes, no BGP, no proxy for Services. It takes the released program's
// options, and stands in for its image where that can't be pulled.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"github.com/spf13/pflag"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// heartbeats that may wait for the health check, as many as upstream lets wait
const heartbeats = 10

func main() {
	config := options.NewKubeRouterConfig()
	config.AddFlags(pflag.CommandLine)
	pflag.Parse()
	if err := run(config); err != nil {
		fmt.Fprintln(os.Stderr, "kube-router:", err)
		os.Exit(1)
	}
}

// run keeps the node's rules as the policies are until it is told to end. The rules stay behind:
// a program that is being replaced must not let everything through.
func run(config *options.KubeRouterConfig) error {
	if config.RunRouter || config.RunServiceProxy || config.RunLoadBalancer || !config.RunFirewall {
		return fmt.Errorf("only the firewall is in this build: set --run-firewall=true, " +
			"--run-router=false and --run-service-proxy=false")
	}
	client, err := connect()
	if err != nil {
		return err
	}
	stop, health := make(chan struct{}), make(chan *healthcheck.ControllerHeartbeat, heartbeats)
	check, err := healthcheck.NewHealthController(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	firewall, err := watch(config, client, factory)
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	running.Add(3)
	go check.RunServer(stop, &running)
	factory.Start(stop)
	factory.WaitForCacheSync(stop)
	check.SetAlive()
	go check.RunCheck(health, stop, &running)
	go firewall.Run(health, stop, &running)
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGINT, syscall.SIGTERM)
	<-ends
	close(stop)
	running.Wait()
	return nil
}

// connect asks the API server as the pod's own ServiceAccount.
func connect() (kubernetes.Interface, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// watch makes a firewall that follows pods, namespaces and policies.
func watch(
	config *options.KubeRouterConfig,
	client kubernetes.Interface,
	factory informers.SharedInformerFactory,
) (*netpol.NetworkPolicyController, error) {
	tables, sets, err := netpol.NewIPTablesHandlers(config)
	if err != nil {
		return nil, err
	}
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	firewall, err := netpol.NewNetworkPolicyController(
		client, config, pods, policies, namespaces, new(sync.Mutex), tables, sets,
	)
	if err != nil {
		return nil, err
	}
	if _, err = pods.AddEventHandler(firewall.PodEventHandler); err != nil {
		return nil, err
	}
	if _, err = namespaces.AddEventHandler(firewall.NamespaceEventHandler); err != nil {
		return nil, err
	}
	_, err = policies.AddEventHandler(firewall.NetworkPolicyEventHandler)
	return firewall, err
}
