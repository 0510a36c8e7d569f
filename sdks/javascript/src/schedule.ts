import { flush } from './flush'
import { state } from './state'

/** Flushes later, unless that is planned already. */
export function schedule(milliseconds: number): void {
  state.timer ??= setTimeout(() => {
    state.timer = undefined
    flush()
  }, milliseconds)
}
