module github.com/pillion-dev/pillion/test/interop/harness

go 1.26.0

require (
	github.com/eclipse/paho.golang v0.23.0
	github.com/google/uuid v1.6.0
)
