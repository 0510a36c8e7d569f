import { state } from './state.js'

/** Makes a call, which does not throw, as if it were made at another time. */
export function runAt(at: Date | undefined, run: () => void): void {
  state.calledAt = at
  run()
  state.calledAt = undefined
}
