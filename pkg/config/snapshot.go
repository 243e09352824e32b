package config

import "crypto/sha256"

// snapshot is what files held when they were read: digests only, because the
// contents may be secret.
type snapshot map[string][sha256.Size]byte

// digest stands for the content of a file, or for why it cannot be read.
func digest(data []byte, err error) [sha256.Size]byte {
	if err != nil {
		return sha256.Sum256([]byte("error: " + err.Error()))
	}
	hash := sha256.Sum256(data)
	return sha256.Sum256(hash[:]) // no content can look like an error
}

// changed tells whether any of the files now holds something else.
func (s snapshot) changed() bool {
	for path, before := range s {
		data, _, err := readFile(path)
		if digest(data, err) != before {
			return true
		}
	}
	return false
}
