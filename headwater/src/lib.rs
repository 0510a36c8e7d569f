//! Headwater: product analytics in one process on one folder, and its command line.
