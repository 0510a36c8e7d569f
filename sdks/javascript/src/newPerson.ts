import { newId } from './newId.js'
import { state, type Person } from './state.js'

/** Nobody in particular: an id of the browser's own with `persist`, otherwise one that the collector makes for a day. */
export function newPerson(): Person {
  return state.settings!.persist ? { anonymous_id: newId() } : { cookieless: true }
}
