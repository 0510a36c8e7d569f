import { Limit } from './limits.js'

/**
 * Milliseconds until the next try: twice as long each time up to a minute, half of it by chance so that browsers do
 * not come all at once, and what the collector asks for (seconds or a date) on top.
 */
export function delay(failures: number, retryAfter?: string | null): number {
  const asked = retryAfter ? +retryAfter * 1000 || Date.parse(retryAfter) - Date.now() : 0
  return Math.min(Limit.LongestDelay, Limit.FirstDelay * 2 ** failures) * (0.5 + Math.random() / 2) + (asked > 0 ? Math.min(Limit.LongestAsked, asked) : 0)
}
