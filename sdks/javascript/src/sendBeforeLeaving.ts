import { request } from './request.js'
import { state } from './state.js'
import { take } from './take.js'

/**
 * Hands everything that waits to the browser, which sends it even if the page is closed. What the browser does not take
 * stays. Nobody learns the answer, so while the collector is failing events stay as well: sent twice, they count once.
 */
export function sendBeforeLeaving(): void {
  const { queue } = state
  const staying: string[] = []
  while (queue[0]) {
    const batch = take(queue)
    if (!navigator.sendBeacon?.(...request(batch)) || state.failures) staying.push(...batch)
  }
  queue.unshift(...staying)
}
