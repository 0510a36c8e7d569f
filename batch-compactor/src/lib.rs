//! Moves events from the queue to the lake: receive, decode, deduplicate, commit, acknowledge.
