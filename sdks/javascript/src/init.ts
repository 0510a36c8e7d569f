import { attempt } from './attempt.js'
import { become } from './become.js'
import { hasOptedOut } from './hasOptedOut.js'
import { knownPerson } from './knownPerson.js'
import { newPerson } from './newPerson.js'
import type { Options } from './options.js'
import { runAt } from './runAt.js'
import { state } from './state.js'
import { watchLeaving } from './watchLeaving.js'
import { watchPages } from './watchPages.js'

/** Starts the tracker; calls made before are made now, in their order and with their times. A second call does nothing. */
export function init(options: Options): void {
  attempt(() => {
    if (state.settings) return
    state.settings = options
    state.optedOut = hasOptedOut(options)
    if (state.optedOut) return
    become(knownPerson() ?? newPerson())
    state.cameFrom = document.referrer
    watchLeaving()
    if (options.pages !== false) watchPages()
    for (const [run, at] of state.early) runAt(at, run)
  })
}
