// Package store keeps the resources of a sidecar on disk: their payloads, their
// revisions, the history that watchers resume from, and the marks of outbox and
// queues. It is one bbolt file, a journal in front of it, and a small index in
// memory.
//
// # The one rule
//
// Nothing is told to anyone before it is written down. [Store.Update] answers
// after its changes are on disk; observers, watchers and readers see a change
// only then. So a crash takes nothing back, and there is nothing to reconcile.
//
// # Writing
//
// One goroutine at a time is the committer: that of an Update if nobody else is
// at the moment, else one that the store keeps for it. It runs the functions given to [Store.Update] one
// after the other, in the order in which they came, commits what all that wait
// have staged as one frame of the journal with one write and one sync, merges it
// into memory, tells the observers, and answers. An update sees what updates before
// it in the same commit have staged. One that fails is discarded alone; a commit
// that fails (a full disk) changes nothing and is answered with its error to all
// in it.
//
// # Journal and file
//
//	Update ─► committer ─► sidecar.journal.7 ─► newer ─┐ (memory)
//	                                            older ─┼─► readers
//	                  checkpointer: older ─► sidecar.db ─┘
//
// What is in the journal is kept in memory too, and goes over the file for every
// reader. Once it is large, or a second after the last commit, or after five,
// the checkpointer begins the next segment (newer becomes older, 7 becomes 8),
// writes older into the file in one transaction, always with a sync, and removes
// its segment. Commits go on meanwhile; they wait, or fail if the disk is full,
// only when segments have 4 MiB. So a power cut never damages the file.
//
// Open replays the segments that are not in the file yet. A file that was not
// closed has at least one, because a segment is there before the file names it;
// without it the file is taken for a backup that was restored. Frames have numbers
// without a gap and checksums: what follows the last whole frame is a commit
// that was never answered, and is forgotten. Frames that are missing before
// whole ones are damage, and an error, except in a store without sync after a
// power cut, which goes on with what came before them. Close leaves no journal:
// the file alone is the store then.
//
// Update blocks until its commit has ended. A function given to the store must
// be quick, must not keep its Tx, and must not call Update, NextSequence, Check
// or Close: they would wait for themselves. UpdateSoon never blocks and may be
// called from anywhere.
//
// # Reading
//
// Meta, Group, Groups, Find, All and Setting read the index and never wait for
// the disk. Get, List and Changes put the journal over one transaction of the
// file; the index is never behind what they have returned, and they show nothing
// that is not durable. They do not wait for writers.
//
// # Backups
//
// Backup copies the store while it is in use, as of one moment; commits do not
// wait for it. Restore puts a copy in the place of a store that nobody has open,
// and makes it new: a store that has lost its memory, not one that has it from
// another time.
//
// # Revisions
//
// A new store numbers from the clock in microseconds and counts up by one for
// every visible change, so that it numbers above any earlier one (docs/api.md,
// "A resource"). Revisions and sequence ids never go back: not by a crash, and
// by a power cut of a store without fsync neither, since both are reserved ahead
// on disk.
package store
