package access

import "time"

// SetClock sets the time by which certificates are made and renewed.
func (c *Certificates) SetClock(now func() time.Time) { c.now = now }

// Look is what Run does every minute.
func (c *Certificates) Look() { c.look() }

// Use prepares a token and takes it.
func (t *Token) Use(path string, own bool) error { return at(t.Prepare(path, own)) }

// Show shows a certificate at once.
func (c *Certificates) Show(certPEM, keyPEM []byte) error { return at(c.Prepare(certPEM, keyPEM)) }

// ShowOwn shows our own certificate at once.
func (c *Certificates) ShowOwn(address string) error { return at(c.PrepareOwn(address)) }

func at(once func(), err error) error {
	if err == nil {
		once()
	}
	return err
}
