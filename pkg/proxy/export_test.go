package proxy

// OutboxLen is how many keys the outbox holds, in whatever state.
func (p *Proxy) OutboxLen() int {
	p.outbox.mu.Lock()
	defer p.outbox.mu.Unlock()
	return len(p.outbox.parcels)
}
