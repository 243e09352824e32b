package access

import "time"

// SetClock sets the time by which certificates are made and renewed.
func (c *Certificates) SetClock(now func() time.Time) { c.now = now }

// Look is what Run does every minute.
func (c *Certificates) Look() { c.look() }
