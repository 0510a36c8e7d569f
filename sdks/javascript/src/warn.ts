import { state } from './state.js'

/** Tells the page's developer, once for each kind of trouble. */
export function warn(kind: string | number, detail: unknown): void {
  if (!state.warned[kind]) console.warn('headwater:', kind, detail)
  state.warned[kind] = true
}
