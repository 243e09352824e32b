package config

import "math"

// maxPacket is the largest packet that MQTT can have, in bytes.
const maxPacket = 268_435_455

// schema is every key, with the place in c that takes its value. It is the
// table of docs/api.md, Configuration.
func (l *loader) schema(c *Config) section {
	return section{
		"role":      set(&c.Role, role),
		"id":        set(&c.ID, name),
		"cluster":   set(&c.Cluster, name),
		"transport": set(&c.Transport, transport),
		"mqtt":      l.mqttSchema(&c.MQTT),
		"dataTypes": setList(&c.DataTypes, dataType),
		"state": section{
			"dir":  set(&c.State.Dir, text),
			"sync": set(&c.State.Sync, boolean),
		},
		"api":           apiSchema(&c.API),
		"queue":         queueSchema(&c.Queue),
		"reconnect":     reconnectSchema(&c.Reconnect),
		"limits":        limitsSchema(&c.Limits),
		"resync":        resyncSchema(&c.Resync),
		"shutdownGrace": set(&c.ShutdownGrace, duration),
		"work":          section{"enabled": set(&c.Work.Enabled, boolean), "maxBytes": set(&c.Work.MaxBytes, size(maxPacket))},
		"log": section{
			"level":  set(&c.Log.Level, level),
			"format": set(&c.Log.Format, oneOf(FormatText, FormatJSON)),
		},
		"probes":   section{"listen": set(&c.Probes.Listen, listenAddress)},
		"handlers": handlerList{&c.Handlers},
		"grpc":     notYet{},
		"kafka":    notYet{},
		"kube":     notYet{},
		"gc":       notYet{},
	}
}

func (l *loader) mqttSchema(m *MQTT) section {
	return section{
		"configFile":     set(&m.ConfigFile, text),
		"brokerHost":     oneBroker(&m.Brokers),
		"broker":         oneBroker(&m.Brokers),
		"brokerHosts":    ifAny{setList(&m.Brokers, broker)},
		"username":       set(&m.Username, text),
		"password":       set(&m.Password, l.secretText),
		"passwordFile":   set(&m.PasswordFile, text),
		"caFile":         set(&m.CAFile, text),
		"clientCertFile": set(&m.ClientCertFile, text),
		"clientKeyFile":  set(&m.ClientKeyFile, text),
		"caData":         set(&m.CAData, base64Bytes),
		"clientCertData": set(&m.ClientCertData, base64Bytes),
		"clientKeyData":  set(&m.ClientKeyData, l.secretBytes),
		"clientID":       set(&m.ClientID, text),
		"keepAlive":      set(&m.KeepAlive, keepAlive),
		"dialTimeout":    set(&m.DialTimeout, dialTimeout),
		"pubQoS":         set(&m.PubQoS, whole[byte](0, 2)),
		"subQoS":         set(&m.SubQoS, whole[byte](0, 2)),
		"sessionExpiry":  set(&m.SessionExpiry, sessionExpiry),
		"topics": section{
			"sourceEvents":    set(&m.Topics.SourceEvents, text),
			"agentEvents":     set(&m.Topics.AgentEvents, text),
			"sourceBroadcast": set(&m.Topics.SourceBroadcast, text),
			"agentBroadcast":  set(&m.Topics.AgentBroadcast, text),
		},
	}
}

func apiSchema(a *API) section {
	return section{
		"socket":           set(&a.Socket, socket),
		"socketMode":       set(&a.SocketMode, mode),
		"allowedUIDs":      setList(&a.AllowedUIDs, whole[uint32](0, math.MaxUint32)),
		"listen":           set(&a.Listen, listenAddress),
		"allowNonLoopback": set(&a.AllowNonLoopback, boolean),
		"tls": section{
			"certFile": set(&a.TLS.CertFile, text),
			"keyFile":  set(&a.TLS.KeyFile, text),
		},
		"tokenFile":      set(&a.TokenFile, text),
		"kubeconfigFile": set(&a.KubeconfigFile, text),
	}
}

func queueSchema(q *Queue) section {
	return section{
		"retry": section{
			"initial": set(&q.Retry.Initial, positive),
			"max":     set(&q.Retry.Max, positive),
		},
		"retryMax": set(&q.RetryMax, count),
	}
}

func reconnectSchema(r *Reconnect) section {
	return section{
		"initial":     set(&r.Initial, positive),
		"max":         set(&r.Max, positive),
		"factor":      set(&r.Factor, factor),
		"jitter":      set(&r.Jitter, oneOf(JitterFull, JitterNone)),
		"stableAfter": set(&r.StableAfter, positive),
		"slowAfter":   set(&r.SlowAfter, positive),
		"slowMax":     set(&r.SlowMax, positive),
	}
}

func limitsSchema(l *Limits) section {
	return section{
		"publishQPS":       set(&l.PublishQPS, number(0, 1e6)),
		"publishBurst":     set(&l.PublishBurst, count),
		"maxResourceBytes": set(&l.MaxResourceBytes, size(maxPacket)),
		"maxPacketBytes":   set(&l.MaxPacketBytes, size(maxPacket)),
		"maxWatchers":      set(&l.MaxWatchers, count),
	}
}

func resyncSchema(r *Resync) section {
	return section{
		"onReconnect":  set(&r.OnReconnect, boolean),
		"repeat":       setList(&r.Repeat, positive),
		"statusEvery":  set(&r.StatusEvery, positive),
		"specEvery":    set(&r.SpecEvery, positive),
		"specEveryMax": set(&r.SpecEveryMax, positive),
		"jitter":       set(&r.Jitter, number(0, 1)),
		"maxDeletes":   set(&r.MaxDeletes, count),
	}
}
