//! What tests share: the shop's traffic, the scenario reader, faulty queues and stores.
