import { address } from './address.js'
import { attempt } from './attempt.js'
import { capture } from './capture.js'
import { state } from './state.js'

/** Counts the page, and each change of its address once. */
export function watchPages(): void {
  const view = (at: Date, url: string, cameFrom = state.cameFrom) => {
    state.seen = url
    // A page that changes its address gives itself a new title right afterwards.
    setTimeout(() => attempt(() => capture({ type: 'page' }, url, cameFrom, at)))
  }
  const see = () => view(new Date(), address())
  const look = () => {
    if (state.seen !== address()) {
      state.cameFrom = state.seen
      see()
    }
  }
  for (const method of ['pushState', 'replaceState'] as const) {
    const original = history[method]
    history[method] = function (...args) {
      original.apply(this, args)
      look()
    }
  }
  addEventListener('popstate', look)
  // A page that comes back as it was left is seen once more.
  addEventListener('pageshow', (event) => event.persisted && see())
  // A page that the browser prepares in advance counts when it is shown.
  const shown = document as Document & { prerendering?: boolean }
  if (shown.prerendering) shown.addEventListener('prerenderingchange', see, { once: true })
  else see()
}
