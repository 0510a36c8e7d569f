/** How much is kept and sent, in one place. */
export const enum Limit {
  /** Calls before `init`: more of them are a page that never calls it. */
  EarlyCalls = 1000,
  /** Characters of events that wait; beyond it the oldest give way. */
  WaitingCharacters = 1_000_000,
  /** Events that are sent without waiting for more. */
  FullBatch = 20,
  /** Bytes of a batch of several events. */
  BatchBytes = 60_000,
  /** Bytes below which a request may outlive its page: browsers allow 64 KiB for all of a page's requests. */
  KeptAliveBytes = 65_536,
  /** Milliseconds that events wait for others, unless the page says otherwise. */
  Interval = 1000,
  /** Milliseconds until a request is given up and made again. */
  Timeout = 30_000,
  /** Milliseconds before the second try, of which each further one takes twice as many. */
  FirstDelay = 1000,
  /** Most milliseconds between tries, as long as the collector does not ask for more. */
  LongestDelay = 60_000,
  /** Most milliseconds that a collector may ask for. */
  LongestAsked = 3_600_000,
}
