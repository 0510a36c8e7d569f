// What the tracker remembers while the page lives.

import type { Options } from './options.js'

/** Whose events they are: goes into each event as it is. */
export interface Person {
  anonymous_id?: string
  user_id?: string
  group_id?: string
  /** Asks the collector for an id of the day, where there is none. */
  cookieless?: true
}

interface State {
  /** Set by `init`. */
  settings?: Options
  /** Whether the browser asks not to be counted. */
  optedOut?: boolean
  person: Person
  /** Calls made before `init`, with their times. */
  early: [run: () => void, at: Date][]
  /** When the call that is being made now was made, where that was earlier. */
  calledAt?: Date
  /** Events that wait, as JSON: what the page changes afterwards does not change them. */
  queue: string[]
  /** The request in flight; it says whether another may follow at once. */
  sending?: Promise<boolean>
  timer?: ReturnType<typeof setTimeout>
  /** Requests in a row that have to be made again. */
  failures: number
  /** The address that was counted last. */
  seen?: string
  /** The address before it. */
  cameFrom?: string
  /** Kinds of trouble that the page's developer knows about. */
  warned: Record<string, true>
}

/** The build shortens these names, so none of them may be a name of the browser's or of the wire's. */
export const state: State = { person: {}, early: [], queue: [], failures: 0, warned: {} }
