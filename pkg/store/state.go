package store

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// format is the version of the layout of the file. A file of another one is
// refused; the older ones are from before the first release.
const format = 2

// The buckets of the file.
var (
	metaBucket     = []byte("meta")     // key -> Meta, see metacode.go
	logBucket      = []byte("log")      // revision -> history entry
	settingsBucket = []byte("settings") // name -> value
	systemBucket   = []byte("system")   // formatName, stateName

	// key -> payload, by kind
	payloadBuckets = [payloadKinds][]byte{
		specPayload:         []byte("spec"),
		metadataPayload:     []byte("metadata"),
		statusPayload:       []byte("status"),
		nextSpecPayload:     []byte("nextSpec"),
		nextMetadataPayload: []byte("nextMetadata"),
		localPayload:        []byte("local"),
	}
)

var (
	formatName = []byte("format") // a decimal number
	stateName  = []byte("state")  // JSON of state
)

// state is what the store knows of itself. Every frame of the journal has the
// numbers of it that commits change.
type state struct {
	Head    resource.Revision `json:"head"`    // the last revision given out
	Visible resource.Revision `json:"visible"` // that of the last visible change
	Floor   resource.Revision `json:"floor"`   // every change after it is in the history

	// Identity is a random number of the file, which its journal has too.
	Identity uint64 `json:"identity,omitempty"`

	Owner string `json:"owner,omitempty"` // whose store it is, see Options

	// What of the journal is in the file: all before that segment, and before
	// that frame.
	Segment uint64 `json:"segment,omitempty"`
	Frame   uint64 `json:"frame,omitempty"`

	// What was reserved by a commit with a sync: nothing above it was given
	// out. That of revisions is kept by stores without sync only.
	HeadCeiling     resource.Revision `json:"headCeiling,omitzero"`
	SequenceCeiling int64             `json:"sequenceCeiling,omitempty"`

	Sync  bool   `json:"sync"`  // how the present or last user commits
	Clean bool   `json:"clean"` // the last user has closed it
	Boot  string `json:"boot"`  // of the machine when it was opened
}

// mayHaveLost tells whether a power cut may have taken the last commits, made
// without sync: they survive the end of a process, but not that of the machine.
func (st *state) mayHaveLost(boot string) bool {
	return !st.Clean && !st.Sync && (st.Boot != boot || boot == "")
}

// bootID names the present run of the machine; "" if it cannot be told.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (st *state) save(tx *bbolt.Tx) error {
	b, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	if err := tx.Bucket(systemBucket).Put(stateName, b); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

func (st *state) load(tx *bbolt.Tx) error {
	if err := json.Unmarshal(tx.Bucket(systemBucket).Get(stateName), st); err != nil {
		return fmt.Errorf("decode state: %w", err)
	}
	return nil
}

// makePayloadBuckets adds those that the file does not have: kinds of payloads
// came later than the format.
func makePayloadBuckets(tx *bbolt.Tx) error {
	for _, name := range payloadBuckets {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return fmt.Errorf("make bucket %s: %w", name, err)
		}
	}
	return nil
}

// makeBuckets lays out a new file.
func makeBuckets(tx *bbolt.Tx) error {
	for _, name := range [][]byte{metaBucket, logBucket, settingsBucket, systemBucket} {
		if _, err := tx.CreateBucket(name); err != nil {
			return fmt.Errorf("make bucket %s: %w", name, err)
		}
	}
	if err := tx.Bucket(systemBucket).Put(formatName, []byte(strconv.Itoa(format))); err != nil {
		return fmt.Errorf("write format: %w", err)
	}
	return nil
}
