package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/pillion-dev/pillion/pkg/config"
	"github.com/pillion-dev/pillion/testbroker"
)

const (
	demoDataType = "com.example.fleet.v1alpha1.devices"
	demoSource   = "hub1"
	demoCluster  = "cluster1"
)

func newDemoCommand() *cobra.Command {
	var once bool
	command := &cobra.Command{
		Use:   "demo",
		Short: "A broker, a source and an agent on this machine, and what to type",
		Long: `Start the embedded broker, a source sidecar and an agent sidecar in a
temporary folder, and print what to type next. Runs until interrupted.

With --once it plays the whole story itself (spec, status, delete), prints
each step, and exits 0.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			return runDemo(ctx, cmd.OutOrStdout(), once)
		},
	}
	command.Flags().BoolVar(&once, "once", false, "play the story and exit")
	return command
}

// demo is a broker with a sidecar on either side.
type demo struct {
	dir    string
	broker *testbroker.Broker
	apps   []*App
}

func runDemo(ctx context.Context, out io.Writer, once bool) error {
	d, err := startDemo()
	if err != nil {
		return err
	}
	defer os.RemoveAll(d.dir)
	defer d.broker.Close()
	ctx, end := context.WithCancel(ctx)
	defer end()
	group, ctx := errgroup.WithContext(ctx)
	for _, app := range d.apps {
		group.Go(func() error { return app.Run(ctx) })
	}
	group.Go(func() error {
		defer end()
		if once {
			return playStory(ctx, out, d.socket("source"), d.socket("agent"))
		}
		d.printGuide(out)
		<-ctx.Done()
		return nil
	})
	return group.Wait()
}

func startDemo() (d *demo, err error) {
	d = &demo{}
	if d.dir, err = os.MkdirTemp("", "sidecar-demo-"); err != nil {
		return nil, err
	}
	if d.broker, err = testbroker.Start(testbroker.Options{}); err != nil {
		return nil, err
	}
	for _, side := range []string{"source", "agent"} {
		path := filepath.Join(d.dir, side+".yaml")
		if err := os.WriteFile(path, []byte(d.config(side)), 0o600); err != nil {
			return nil, err
		}
		cfg, err := config.Load(path)
		if err != nil {
			return nil, err
		}
		app, err := NewApp(cfg, path)
		if err != nil {
			return nil, err
		}
		d.apps = append(d.apps, app)
	}
	return d, nil
}

func (d *demo) socket(side string) string { return filepath.Join(d.dir, side+".sock") }

func (d *demo) config(side string) string {
	identity := "role: source\nid: " + demoSource
	if side == "agent" {
		identity = "role: agent\nid: " + demoCluster + "-agent\ncluster: " + demoCluster
	}
	return fmt.Sprintf(`%s
mqtt: {brokerHost: "%s"}
dataTypes: [%s]
state: {dir: %s}
api: {socket: %s}
log: {level: warn}
`, identity, d.broker.Addr(), demoDataType, filepath.Join(d.dir, side), d.socket(side))
}

// printGuide says what to type next.
func (d *demo) printGuide(out io.Writer) {
	self, err := os.Executable()
	if err != nil {
		self = "sidecar"
	}
	url := "http://sidecar/v1/resources/" + demoDataType + "/" + demoCluster + "/dev-1"
	fmt.Fprintf(out, `A broker (%s), a source sidecar and an agent sidecar are running.
In another terminal:

  SOURCE=%s
  AGENT=%s

1. The app at the hub declares a device on %s:

  curl --unix-socket $SOURCE -X PUT %s -d '{"spec":{"model":"tractor-x"}}'

2. The app on the cluster takes it from its queue:

  curl --unix-socket $AGENT -X POST http://sidecar/v1/queues/resources/lease -d '{"wait":"10s"}'

3. ... and reports its status, with the lease from that answer:

  curl --unix-socket $AGENT -X POST http://sidecar/v1/leases/LEASE -d '{"status":{"online":true}}'

4. The hub sees it ("sync":{"state":"observed"}):

  curl --unix-socket $SOURCE %s

5. The hub deletes it; the app on the cluster leases that too, cleans up and
   answers {"deleted":true}:

  curl --unix-socket $SOURCE -X DELETE %s

The same without curl:  %s --socket $SOURCE get %s
Watch it travel:        %s --socket $SOURCE watch

Ctrl-C ends the demo.
`, d.broker.Addr(), d.socket("source"), d.socket("agent"), demoCluster, url, url, url, self, demoDataType, self)
}

// stepTimeout bounds every step of the story.
const stepTimeout = 10 * time.Second
