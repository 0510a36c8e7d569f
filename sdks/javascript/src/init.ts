import { attempt } from './attempt'
import { become } from './become'
import { hasOptedOut } from './hasOptedOut'
import { knownPerson } from './knownPerson'
import { newPerson } from './newPerson'
import type { Options } from './options'
import { runAt } from './runAt'
import { state } from './state'
import { watchLeaving } from './watchLeaving'
import { watchPages } from './watchPages'

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
