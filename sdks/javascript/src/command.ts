import { attempt } from './attempt.js'
import { Limit } from './limits.js'
import { state } from './state.js'

/** A function for pages: it never throws, and a call before `init` waits for it with its time. */
export function command<A extends unknown[]>(run: (...args: A) => void): (...args: A) => void {
  const call = (...args: A) =>
    attempt(() => {
      if (!state.settings) {
        if (state.early.length < Limit.EarlyCalls) {
          state.early.push([() => call(...args), state.calledAt || new Date()])
        }
      } else if (!state.optedOut) run(...args)
    })
  return call
}
