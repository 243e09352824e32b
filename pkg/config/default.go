package config

import (
	"log/slog"
	"time"
)

// defaultSocket is where apps look for the local API (docs/api.md, Command line).
const defaultSocket = "/run/sidecar/sidecar.sock"

// defaults are the values of all keys that are not written; those that depend
// on role, id and cluster are filled in once these are known.
func defaults() *Config {
	return &Config{
		Transport: "mqtt",
		MQTT: MQTT{
			KeepAlive:     60 * time.Second,
			DialTimeout:   10 * time.Second,
			PubQoS:        1,
			SubQoS:        1,
			SessionExpiry: time.Hour,
		},
		State:         State{Sync: true},
		API:           API{Socket: defaultSocket, SocketMode: 0o660},
		Queue:         Queue{Retry: Retry{Initial: 5 * time.Millisecond, Max: 1000 * time.Second}},
		Reconnect:     defaultReconnect(),
		Limits:        Limits{MaxResourceBytes: 1 << 20, MaxWatchers: 1000},
		Resync:        defaultResync(),
		ShutdownGrace: 20 * time.Second,
		Work:          Work{Enabled: true, MaxBytes: 500 << 10},
		Log:           Log{Level: slog.LevelInfo, Format: FormatText},
	}
}

func defaultReconnect() Reconnect {
	return Reconnect{
		Initial:     100 * time.Millisecond,
		Max:         time.Second,
		Factor:      2,
		Jitter:      JitterFull,
		StableAfter: 10 * time.Second,
		SlowAfter:   time.Minute,
		SlowMax:     time.Minute,
	}
}

func defaultResync() Resync {
	return Resync{
		OnReconnect:  true,
		Repeat:       []time.Duration{5 * time.Second, 30 * time.Second},
		StatusEvery:  time.Minute,
		SpecEvery:    5 * time.Minute,
		SpecEveryMax: 6 * time.Hour,
		Jitter:       0.2,
		MaxDeletes:   100,
	}
}
