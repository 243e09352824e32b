// Bench measures the built sidecar next to the generic clients of the OCM SDK
// v1.2.0: app to app, through the same broker process, in interleaved rounds,
// so that ratios mean something on a machine that others use too.
//
//	go run . -sidecar ../bin/sidecar        # everything, under five minutes
//	go run . -sidecar ../bin/sidecar -only latency -rounds 5
//
// It prints tables and, on lines that begin with {, the same as JSON. All
// processes are on this machine and end with it. Figures:
//
//   - spec latency: the source app's write begins → the agent app has the spec
//     in hand, in a closed loop. For the sidecar that is a PUT, two sidecars and
//     a lease that waits in a long poll; for the SDK it is Publish and the
//     handler.
//   - round trip: the same and back: the agent app answers with a status, until
//     the source app has it in hand.
//   - throughput: writers in closed loops, until the agent app has seen all; CPU
//     of every process per event. The SDK's two clients are in the apps' process,
//     and so in their figure.
//   - memory: of an agent, idle and with 10,000 resources of 2 KiB that have a
//     status. Start: from exec to subscribed.
package main
