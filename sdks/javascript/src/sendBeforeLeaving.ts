import { request } from './request'
import { state } from './state'
import { take } from './take'

/**
 * Hands everything that waits to the browser, which sends it even if the page is closed. What the browser does not take
 * stays. Nobody learns the answer, so while the collector is failing events stay as well: sent twice, they count once.
 */
export function sendBeforeLeaving(): void {
  const { queue } = state
  const staying: string[] = []
  while (queue[0]) {
    const batch = take(queue)
    const taken = navigator.sendBeacon(...request(batch))
    if (!taken || state.failures) staying.push(...batch)
    if (!taken) break
  }
  queue.unshift(...staying)
}
