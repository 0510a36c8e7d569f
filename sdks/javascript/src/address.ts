import { state } from './state.js'

/** The page's address; what follows `#` may hold anything, so it is left out unless the page routes by it. */
export function address(): string {
  return state.settings!.hash ? location.href : location.href.split('#')[0]!
}
