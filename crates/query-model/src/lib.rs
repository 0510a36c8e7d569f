//! What one may ask, and the shape of an answer.
