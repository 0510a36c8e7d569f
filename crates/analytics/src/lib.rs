//! A question becomes a plan: what every insight computes, with no input or output of its own.
