import { flush } from './flush'
import { Limit } from './limits'
import { schedule } from './schedule'
import { state } from './state'
import { warn } from './warn'

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
