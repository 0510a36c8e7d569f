// The Worker's entry: hands events to the Wasm module, and survives if that ever breaks.
//
// The collector has no path that panics. If one is found all the same, or memory runs out, the module's memory is worth
// nothing any more, and requests in it would hang: they are answered with a 503 that makes clients try again, on a fresh
// instance.
import { __wbg_reset_state, __worker_init_state, Watchers as Watching, fetch, scheduled } from 'headwater-wasm'
import { onTrap } from './guard.mjs'

/** Requests that wait, the oldest first, and when each came. */
const waiting = new Map()
/** No request lasts longer. One that its client has left is never heard of again, and must not be kept for ever. */
const LONGEST_MILLIS = 60_000
let broken = false
let instances = 0

function watch() {
  Object.defineProperty(__worker_init_state(), 'criticalError', {
    configurable: true,
    get: () => broken,
    set: (value) => value && giveUp('the module panicked'),
  })
}

function giveUp(why) {
  if (broken) return
  broken = true
  console.error(JSON.stringify({ message: 'the module broke', cause: why, requests: waiting.size }))
  for (const fail of waiting.keys()) fail(new Error(why))
}

function revive() {
  broken = false
  __wbg_reset_state()
  instances++
  watch()
}

const unavailable = () =>
  new Response(
    JSON.stringify({
      type: 'urn:headwater:error:internal',
      title: 'Something went wrong on our side.',
      status: 503,
      code: 'internal',
      what_to_do: 'Try again later.',
    }),
    {
      status: 503,
      headers: {
        'content-type': 'application/problem+json',
        'retry-after': '5',
        'access-control-allow-origin': '*',
        'access-control-expose-headers': 'Retry-After',
      },
    },
  )

watch()
onTrap((error) => giveUp(String(error)))

export default {
  async fetch(request, env, context) {
    if (broken) revive()
    let fail
    const gaveUp = new Promise((_, reject) => (fail = reject))
    const now = Date.now()
    for (const [left, came] of waiting) {
      if (now - came < LONGEST_MILLIS) break
      waiting.delete(left)
    }
    waiting.set(fail, now)
    try {
      return await Promise.race([fetch(request, env, context), gaveUp])
    } catch (error) {
      if (!broken) console.error(JSON.stringify({ message: 'request not taken', cause: String(error) }))
      return unavailable()
    } finally {
      waiting.delete(fail)
    }
  },
  async scheduled(event, env, context) {
    if (broken) revive()
    return scheduled(event, env, context)
  },
}

/** A project's watchers. What lives in the module is made anew where the module was: it keeps nothing of its own. */
export class Watchers {
  #state
  #env
  #watching
  #instance

  constructor(state, env) {
    this.#state = state
    this.#env = env
    this.#current()
  }

  #current() {
    if (broken) revive()
    if (this.#instance !== instances) {
      this.#watching = new Watching(this.#state, this.#env)
      this.#instance = instances
    }
    return this.#watching
  }

  fetch = (request) => this.#current().fetch(request)
  alarm = () => this.#current().alarm()
  webSocketMessage = (socket, message) => this.#current().webSocketMessage(socket, message)
  webSocketClose = (...how) => this.#current().webSocketClose(...how)
  webSocketError = (...how) => this.#current().webSocketError(...how)
}
