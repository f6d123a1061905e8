// flanneld with the two backends that ringproof's clusters use: host-gw and vxlan, leases from the Kubernetes API.
//
// flannel's own main links nine backends, one of which needs modules that the public Go proxy does not serve. This one
// is flannel's order of acts over flannel's packages: lease, backend, forward rules, subnet file, then run.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/flannel-io/flannel/pkg/backend"
	_ "github.com/flannel-io/flannel/pkg/backend/hostgw"
	_ "github.com/flannel-io/flannel/pkg/backend/vxlan"
	"github.com/flannel-io/flannel/pkg/ipmatch"
	"github.com/flannel-io/flannel/pkg/subnet/kube"
	"github.com/flannel-io/flannel/pkg/trafficmngr/iptables"
	"k8s.io/klog/v2"
)

const (
	configuration = "/etc/kube-flannel/net-conf.json"
	subnetFile    = "/run/flannel/subnet.env"
	annotations   = "flannel.alpha.coreos.com"
	resyncSeconds = 5 // flannel's default of --iptables-resync
)

func main() {
	klog.InitFlags(nil)
	link := flag.String("iface", "eth0", "the link that carries traffic between nodes")
	// flannel's own manifests say these two; no other value is built in.
	leases := flag.Bool("kube-subnet-mgr", true, "leases come from the Kubernetes API")
	masquerade := flag.Bool("ip-masq", false, "hide pods behind their node")
	flag.Parse()
	if !*leases || *masquerade {
		fmt.Fprintln(os.Stderr, "flanneld: this build takes leases from the Kubernetes API and never masquerades")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, stop, *link); err != nil {
		fmt.Fprintf(os.Stderr, "flanneld: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, stop func(), link string) error {
	manager, err := kube.NewSubnetManager(ctx, "", "", annotations, configuration, true)
	if err != nil {
		return fmt.Errorf("subnet manager: %w", err)
	}
	config, err := manager.GetNetworkConfig(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", configuration, err)
	}
	stack, err := ipmatch.GetIPFamily(config.EnableIPv4, config.EnableIPv6)
	if err != nil {
		return err
	}
	external, err := ipmatch.LookupExtIface(link, "", "", stack, ipmatch.PublicIPOpts{})
	if err != nil {
		return fmt.Errorf("%s: %w", link, err)
	}
	chosen, err := backend.NewManager(ctx, manager, external).GetBackend(config.BackendType)
	if err != nil {
		return fmt.Errorf("backend %s: %w", config.BackendType, err)
	}
	running := &sync.WaitGroup{}
	network, err := chosen.RegisterNetwork(ctx, running, config)
	if err != nil {
		return fmt.Errorf("backend %s: %w", config.BackendType, err)
	}
	traffic := &iptables.IPTablesManager{}
	if err := traffic.Init(ctx); err != nil {
		return fmt.Errorf("iptables: %w", err)
	}
	// No masquerade: pods keep their own address everywhere, which is what ringproof is about.
	traffic.SetupAndEnsureForwardRules(ctx, config.Network, config.IPv6Network, resyncSeconds)
	lease := network.Lease()
	if err := manager.HandleSubnetFile(subnetFile, config, false, lease.Subnet, lease.IPv6Subnet, network.MTU()); err != nil {
		return fmt.Errorf("%s: %w", subnetFile, err)
	}
	klog.Infof("backend %s, lease %s, mtu %d", config.BackendType, lease.Subnet, network.MTU())
	running.Add(1)
	go func() {
		network.Run(ctx)
		running.Done()
	}()
	if err := manager.CompleteLease(ctx, lease, running); err != nil {
		stop()
		running.Wait()
		return fmt.Errorf("lease: %w", err)
	}
	running.Wait()
	return nil
}
