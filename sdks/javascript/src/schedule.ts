import { flush } from './flush.js'
import { state } from './state.js'

/** Flushes later, unless that is planned already. */
export function schedule(milliseconds: number): void {
  state.timer ??= setTimeout(() => {
    state.timer = undefined
    flush()
  }, milliseconds)
}
