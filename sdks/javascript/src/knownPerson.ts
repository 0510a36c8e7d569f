import { state, type Person } from './state.js'

/** Whom this browser remembers, if anybody. */
export function knownPerson(): Person | undefined {
  try {
    const person = state.settings!.persist && JSON.parse(localStorage.headwater)
    if (person.anonymous_id) return person
  } catch {
    // Nothing is stored, or storage is forbidden.
  }
  return undefined
}
