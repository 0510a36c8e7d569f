// What a page may set.

export interface Options {
  /** The project's write key. It stands in the page, so it should have the scope `write` only. */
  key: string
  /** Address of the collector, as `https://events.example.com`. The script tag takes its own origin. */
  host: string
  /** Counts page views by itself: on load, and whenever the address changes. Default: true. */
  pages?: boolean
  /** Counts the part after `#` as part of the address, for sites that route by it. Default: false. */
  hash?: boolean
  /**
   * Keeps a random id of the visitor, and the ids of `identify` and `group`, in `localStorage`, so that visits of
   * several days are one person's. Default: false: nothing is kept on the visitor's device, and the collector counts
   * visitors by a hash that nobody can take back once the day is over.
   */
  persist?: boolean
  /**
   * Signals of the browser on which nothing at all is sent: `gpc` (Global Privacy Control), `dnt` (Do Not Track),
   * `gpc dnt`, or `none`. Default: `gpc`.
   */
  respect?: string
  /** Milliseconds that events wait for others, to be sent together. Default: 1000. */
  interval?: number
}

/** Anything that JSON can say about an event or a person. */
export type Properties = Record<string, unknown>
