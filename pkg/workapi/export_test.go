package workapi

// Split is split, as names and values.
func Split(object []byte) (names, values []string, ok bool) {
	members, ok := split(make([]member, 0, 8), object)
	for _, m := range members {
		names, values = append(names, string(m.name)), append(values, string(m.value))
	}
	return names, values, ok
}
