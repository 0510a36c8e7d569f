import { byteLength } from './byteLength.js'
import { Limit } from './limits.js'

/** Takes a request's worth of events out of the queue: at least one, even if it is larger than that. */
export function take(queue: string[]): string[] {
  let bytes = 0
  let count = 0
  for (const event of queue) {
    bytes += byteLength(event) + 1
    if (count && bytes > Limit.BatchBytes) break
    count++
  }
  return queue.splice(0, count)
}
