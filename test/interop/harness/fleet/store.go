package fleet

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// Store is the memory of one side. It outlives the connections of its peer.
type Store struct {
	mu      sync.Mutex
	devices map[string]Device
}

// NewStore makes an empty one.
func NewStore() *Store { return &Store{devices: map[string]Device{}} }

// Get reads one device.
func (s *Store) Get(id string) (Device, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.devices[id]
	return d, ok
}

// List is what the SDK's lister answers: empty names select all.
func (s *Store) List(source, cluster string) []Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Device
	for _, d := range s.devices {
		if (source == "" || d.Source == source) && (cluster == "" || d.Cluster == cluster) {
			found = append(found, d)
		}
	}
	slices.SortFunc(found, func(a, b Device) int { return strings.Compare(a.ID, b.ID) })
	return found
}

// Set puts a device as it is.
func (s *Store) Set(d Device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices[d.ID] = d
}

// Remove forgets a device.
func (s *Store) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.devices, id)
}

// Wipe forgets all.
func (s *Store) Wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.devices)
}

// change lets f change a known device.
func (s *Store) change(id string, f func(*Device)) (Device, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.devices[id]
	if ok {
		f(&d)
		s.devices[id] = d
	}
	return d, ok
}

// ApplySpec is the agent's handler of a spec, by the rules of the SDK's own
// agent store: a stale version is dropped, a deletion is taken whatever its
// version, the status stays.
func (s *Store) ApplySpec(received Device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, known := s.devices[received.ID]
	switch {
	case !known:
		s.devices[received.ID] = received
	case received.Deleting():
		held.DeletedAt, held.Version = received.DeletedAt, received.Version
		s.devices[received.ID] = held
	case received.Version != 0 && received.Version < held.Version:
	default:
		held.Version, held.Spec = received.Version, received.Spec
		s.devices[received.ID] = held
	}
}

// ApplyStatus is the source's handler of a status, by the rules of the SDK's
// own source store. newer compares two sequence ids; an error means that the
// new one is not valid.
func (s *Store) ApplyStatus(received Device, newer func(last, next string) (bool, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, known := s.devices[received.ID]
	if !known {
		return nil
	}
	if SaysDeleted(received.Status) {
		delete(s.devices, received.ID)
		return nil
	}
	if held.Version != 0 && received.StatusVersion > held.Version {
		return nil
	}
	greater, err := newer(held.SequenceID, received.SequenceID)
	if err != nil || !greater {
		return err
	}
	held.Status, held.StatusVersion, held.SequenceID = received.Status, received.StatusVersion, received.SequenceID
	s.devices[received.ID] = held
	return nil
}

// declare puts a spec at a source and raises the version.
func (s *Store) declare(source, cluster, id string, spec json.RawMessage) (created bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, known := s.devices[id]
	if !known {
		d = Device{ID: id, Source: source, Cluster: cluster}
	}
	d.Version++
	d.Spec = spec
	s.devices[id] = d
	return !known
}

// markDeleted asks for deletion at a source.
func (s *Store) markDeleted(id string) {
	s.change(id, func(d *Device) {
		if !d.Deleting() {
			d.DeletedAt = time.Now().UTC()
		}
	})
}

// report sets the status of the version held, at an agent.
func (s *Store) report(id string, status json.RawMessage) bool {
	_, ok := s.change(id, func(d *Device) { d.Status, d.StatusVersion = status, d.Version })
	return ok
}
