//! Takes events over HTTP: decode, authenticate, validate, enrich, enqueue.
