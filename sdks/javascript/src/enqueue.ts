import { flush } from './flush.js'
import { Limit } from './limits.js'
import { schedule } from './schedule.js'
import { state } from './state.js'
import { warn } from './warn.js'

/** Puts an event into the queue. */
export function enqueue(event: string): void {
  const { queue } = state
  queue.push(event)
  while (queue.join().length > Limit.WaitingCharacters) {
    queue.shift()
    warn('lost', 'too many events wait')
  }
  if (queue.length < Limit.FullBatch) schedule(state.settings!.interval ?? Limit.Interval)
  else flush()
}
