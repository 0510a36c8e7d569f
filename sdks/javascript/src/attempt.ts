import { warn } from './warn.js'

/** Runs something of ours so that the page never notices if it fails. */
export function attempt(run: () => void): void {
  try {
    run()
  } catch (error) {
    warn('failed', error)
  }
}
