// Package transporttest holds the one suite that every transport driver
// passes: what pkg/transport promises, tried against a real broker through a
// Harness. A driver's tests call Run for each broker that they have.
//
// The suite promises nothing about order between tests; each starts a broker
// of its own. Waits have a deadline and end the test with what was missing.
package transporttest
