package reconnect

import "time"

// Phase is what the loop is doing.
type Phase string

// The phases, as the local API names them (docs/api.md, /v1/status).
const (
	Connecting Phase = "connecting" // a session is on its way up
	Connected  Phase = "connected"  // it is up
	Waiting    Phase = "waiting"    // for the next try
)

// State is the loop at one moment.
type State struct {
	Phase     Phase
	Broker    string    // of the session that is or was up last
	Since     time.Time // when the phase began
	Attempt   int       // which session it is since one held, from 1; when waiting, how many there were
	LastError string    // why the last session ended; empty if none has, or after Restart
	NextTry   time.Time // when waiting
}
