package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// StatusHash is the hash that goes into statushash and into status resync
// requests: sha256, in hex, of the canonical form (docs/protocol.md, Resync).
func StatusHash(status []byte) (string, error) {
	canonical, err := Canonical(status)
	if err != nil {
		return "", fmt.Errorf("hash status: %w", err)
	}
	return hexSum(canonical), nil
}

// RawStatusHash is the hash that SDK v0.15.0 makes: sha256, in hex, of the
// status as Go marshals a struct, that is compact, HTML escaped, with the
// fields in their own order. What is not JSON is hashed as it is.
func RawStatusHash(status []byte) string {
	var compact, escaped bytes.Buffer
	if json.Compact(&compact, status) != nil {
		return hexSum(status)
	}
	json.HTMLEscape(&escaped, compact.Bytes())
	return hexSum(escaped.Bytes())
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
