// Package simulation runs the engine on fakes in virtual time, with everything that may go
// wrong drawn from a seed, and holds what users see against the promises of the design.
// Workers are coroutines that change places at each outside call, so that a seed always
// gives the same run.
package simulation
