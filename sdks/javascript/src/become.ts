import { state, type Person } from './state.js'

/** The visitor is this person, in the browser's storage too where the page wants that and the browser allows it. */
export function become(person: Person): void {
  state.person = person
  try {
    if (state.settings!.persist) localStorage.headwater = JSON.stringify(person)
  } catch {
    // Storage is forbidden or full: the person lives as long as the page.
  }
}
