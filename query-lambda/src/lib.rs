//! Answers questions over HTTP.
