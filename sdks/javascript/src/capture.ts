import { address } from './address.js'
import { newId } from './newId.js'
import { enqueue } from './enqueue.js'
import { state } from './state.js'

declare const VERSION: string

/** The fields of an event on the wire that a call gives. */
export interface Call {
  type?: 'page' | 'identify' | 'group'
  event?: string
  properties?: object
  traits?: object
}

/** Makes an event of a call, with the page as it is now, and puts it into the queue. */
export function capture(call: Call, url = address(), referrer = state.cameFrom, at = state.calledAt || new Date()): void {
  enqueue(
    JSON.stringify({
      event_id: newId(),
      timestamp: at,
      ...state.person,
      ...call,
      context: {
        page: { url, referrer, title: document.title },
        locale: navigator.language,
        library: { name: 'headwater.js', version: VERSION },
      },
    }),
  )
}
