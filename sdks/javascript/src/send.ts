import { byteLength } from './byteLength.js'
import { delay } from './delay.js'
import { Limit } from './limits.js'
import { request } from './request.js'
import { schedule } from './schedule.js'
import { state } from './state.js'
import { take } from './take.js'
import { warn } from './warn.js'

/** Sends one batch. Says whether the next may follow at once. */
export async function send(): Promise<boolean> {
  const { queue } = state
  // While the collector is being given time, the timer is set.
  const batch = state.failures && state.timer ? [] : take(queue)
  try {
    if (!batch[0]) return false
    const [url, body] = request(batch)
    const response = await fetch(url, {
      method: 'POST',
      body,
      keepalive: byteLength(body) < Limit.KeptAliveBytes,
      credentials: 'omit',
      signal: AbortSignal.timeout?.(Limit.Timeout),
    })
    const { status } = response
    if (status > 499 || status === 429 || status === 408) throw response
    const answer = await response.text()
    // What is refused as a whole is lost; single events that cannot be used are kept by the collector.
    if (status > 299 || answer.includes('"rejected":[{')) warn(status, answer)
    state.failures = 0
    return !!queue[0]
  } catch (trouble) {
    queue.unshift(...batch)
    clearTimeout(state.timer)
    state.timer = undefined
    schedule(delay(state.failures++, (trouble as Response).headers?.get('retry-after')))
    return false
  }
}
