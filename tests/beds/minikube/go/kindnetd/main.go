// kindnetd is the pod network that minikube chooses for more than one node: here a small stand-in for kind's program of
// that name, as no package registry serves it. It keeps three things as the API server's nodes want them: a route to
// each other node's pods, the CNI configuration of this node, and the masquerading of what leaves the pods' network.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/vishvananda/netlink"
)

const (
	account = "/var/run/secrets/kubernetes.io/serviceaccount/"
	conf    = "/etc/cni/net.d/10-kindnet.conflist"
	every   = 5 * time.Second
	retry   = time.Second // kube-proxy may not have made the API server's service address yet
)

// The addresses given to pods are kept in /run: a machine that starts anew has no pods, and all addresses are free.
const confText = `{
  "cniVersion": "0.3.1",
  "name": "kindnet",
  "plugins": [
    {
      "type": "ptp",
      "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "dataDir": "/run/cni-ipam-state",
        "routes": [{"dst": "0.0.0.0/0"}],
        "ranges": [[{"subnet": %q}]]
      },
      "mtu": 1500
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`

// node is what is read of a node: where it is, and which addresses its pods have.
type node struct {
	Spec struct {
		PodCIDR string `json:"podCIDR"`
	} `json:"spec"`
	Status struct {
		Addresses []struct {
			Type    string `json:"type"`
			Address string `json:"address"`
		} `json:"addresses"`
	} `json:"status"`
}

func (n node) address() string {
	for _, one := range n.Status.Addresses {
		if one.Type == "InternalIP" {
			return one.Address
		}
	}
	return ""
}

func main() {
	for {
		if err := once(os.Getenv("HOST_IP"), os.Getenv("POD_SUBNET")); err != nil {
			log.Print(err)
			time.Sleep(retry)
		} else {
			time.Sleep(every)
		}
	}
}

// once brings this machine in line with the nodes as they are now.
func once(own, podNetwork string) error {
	nodes, err := nodes()
	if err != nil {
		return err
	}
	for _, n := range nodes {
		switch {
		case n.Spec.PodCIDR == "" || n.address() == "":
			continue // new, and not told its addresses yet
		case n.address() == own:
			err = configure(n.Spec.PodCIDR)
		default:
			err = route(n.Spec.PodCIDR, n.address())
		}
		if err != nil {
			return err
		}
	}
	return masquerade(podNetwork)
}

// nodes asks the API server with the pod's own account.
func nodes() ([]node, error) {
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	client := http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true},
	}
	server := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	request, err := http.NewRequest(http.MethodGet, "https://"+server+"/api/v1/nodes", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+string(bytes.TrimSpace(token)))
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the API server answers %s", answer.Status)
	}
	var list struct {
		Items []node `json:"items"`
	}
	err = json.NewDecoder(answer.Body).Decode(&list)
	return list.Items, err
}

// configure writes the CNI file in place: containerd 1.6 does not notice one that is renamed to its name.
func configure(podCIDR string) error {
	want := fmt.Appendf(nil, confText, podCIDR)
	if have, err := os.ReadFile(conf); err == nil && bytes.Equal(have, want) {
		return nil
	}
	log.Print("pods of this node get addresses of ", podCIDR)
	return os.WriteFile(conf, want, 0o644)
}

func route(podCIDR, gateway string) error {
	_, pods, err := net.ParseCIDR(podCIDR)
	if err != nil {
		return err
	}
	return netlink.RouteReplace(&netlink.Route{Dst: pods, Gw: net.ParseIP(gateway)})
}

// masquerade hides pods behind their node's address, but for what goes to other pods.
func masquerade(podNetwork string) error {
	rule := []string{"POSTROUTING", "-s", podNetwork, "!", "-d", podNetwork, "-m", "addrtype", "!", "--dst-type", "LOCAL", "-j", "MASQUERADE"}
	if iptables("-C", rule) == nil {
		return nil
	}
	return iptables("-A", rule)
}

func iptables(action string, rule []string) error {
	return exec.Command("iptables", append([]string{"--wait", "--table", "nat", action}, rule...)...).Run()
}
