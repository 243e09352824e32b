package store

// forgetPast makes a store whose journal is missing what [Restore] makes of a
// backup: its file is an earlier copy of the store, and what it knows of the
// past may not be so any more. It changes index and r, which go into the file
// together.
func (s *Store) forgetPast(r *replayed) {
	s.log.Warn("the journal of the store is missing: its last changes are lost, and the file is taken for a backup that was restored", "file", s.path)
	for _, name := range s.forget {
		s.index.set(name, nil)
		r.contents.set(name, nil)
	}
	for m := range s.All() {
		if !m.Visible() {
			s.index.remove(m.Key)
			r.contents.putRecord(m.Key, &staged{payloads: noPayloads()})
		}
	}
}
