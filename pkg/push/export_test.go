package push

// For the tests of what decodes and encodes headers.
var (
	RetryAfter = retryAfter
	Encode     = encode
)
