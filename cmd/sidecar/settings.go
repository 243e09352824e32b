package main

import (
	"log/slog"
	"slices"

	"github.com/pillion-dev/pillion/pkg/config"
	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/proxy"
	"github.com/pillion-dev/pillion/pkg/reconnect"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/transport/mqtt"
)

// newDriver makes the driver that a configuration describes.
func newDriver(c *config.Config, log *slog.Logger) (*mqtt.Driver, error) {
	options, err := driverOptions(c, log)
	if err != nil {
		return nil, err
	}
	return mqtt.New(options)
}

func driverOptions(c *config.Config, log *slog.Logger) (mqtt.Options, error) {
	tls, err := mqtt.TLSOptions{
		CAData: c.MQTT.CAData, CertData: c.MQTT.ClientCertData, KeyData: c.MQTT.ClientKeyData,
	}.Config()
	if err != nil {
		return mqtt.Options{}, err
	}
	return mqtt.Options{
		Role: c.Role, ID: c.ID, Cluster: c.Cluster, Topics: c.MQTT.Topics,
		Brokers: c.MQTT.Brokers, ClientID: c.MQTT.ClientID,
		Username: c.MQTT.Username, Password: string(c.MQTT.Password), TLS: tls,
		KeepAlive: c.MQTT.KeepAlive, DialTimeout: c.MQTT.DialTimeout,
		PubQoS: c.MQTT.PubQoS, SubQoS: c.MQTT.SubQoS, SessionExpiry: c.MQTT.SessionExpiry,
		MaxPacketBytes: int(c.Limits.MaxPacketBytes), Log: log,
	}, nil
}

// liveSettings are those that the engine can change while it runs.
func liveSettings(c *config.Config) proxy.Live {
	return proxy.Live{
		DataTypes: allDataTypes(c),
		Reconnect: reconnect.Policy{
			Initial: c.Reconnect.Initial, Max: c.Reconnect.Max, Factor: c.Reconnect.Factor, Jitter: c.Reconnect.Jitter,
			StableAfter: c.Reconnect.StableAfter, SlowAfter: c.Reconnect.SlowAfter, SlowMax: c.Reconnect.SlowMax,
		},
		Resync: proxy.Resync{
			OnReconnect: c.Resync.OnReconnect, Repeat: c.Resync.Repeat,
			StatusEvery: c.Resync.StatusEvery, SpecEvery: c.Resync.SpecEvery, SpecEveryMax: c.Resync.SpecEveryMax,
			Jitter: c.Resync.Jitter, MaxDeletes: c.Resync.MaxDeletes,
		},
		Limits:        proxy.Limits{PublishQPS: c.Limits.PublishQPS, PublishBurst: c.Limits.PublishBurst},
		Retry:         proxy.Retry{Initial: c.Queue.Retry.Initial, Max: c.Queue.Retry.Max, Most: c.Queue.RetryMax},
		ShutdownGrace: c.ShutdownGrace,
		Works:         proxy.Works{Enabled: c.Work.Enabled, MaxBytes: c.Work.MaxBytes},
	}
}

// allDataTypes are those of the configuration, and those of works.
func allDataTypes(c *config.Config) []resource.DataType {
	all := slices.Clone(c.DataTypes)
	if c.Work.Enabled {
		for _, d := range manifestwork.DataTypes() {
			if !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all
}
