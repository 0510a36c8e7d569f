// The script tag: `<script defer src="https://collector/hw.js" data-key="hw_w_..."></script>`.
//
// It leaves `window.headwater` with the functions of the npm package. Where the page has put the queueing stub there
// (README), the calls that it has kept are made first, in their order and with their times.

import { attempt } from './attempt.js'
import { flush } from './flush.js'
import { group } from './group.js'
import { identify } from './identify.js'
import { init as start } from './init.js'
import type { Options } from './options.js'
import { page } from './page.js'
import { reset } from './reset.js'
import { runAt } from './runAt.js'
import { track } from './track.js'

type Kept = [method: 'track', args: [string], at?: Date]
type Stub = { q?: { push: (kept: Kept) => void; map?: (run: (kept: Kept) => void) => void }; track?: unknown }

declare global {
  var headwater: Stub | undefined
}

attempt(() => {
  const stub = window.headwater
  // The script may stand twice in a page; an element with this id is no tracker.
  if (stub?.track && !stub.q) return
  const { src, dataset } = document.currentScript as HTMLScriptElement
  const fromTag = {
    host: new URL(src, location.href).origin,
    ...dataset,
    pages: dataset.pages !== 'false',
    hash: 'hash' in dataset,
    persist: 'persist' in dataset,
  }
  const init = (options?: Partial<Options>) => start({ ...fromTag, ...options } as Options)
  const tracker = { init, track, page, identify, group, reset, flush }
  window.headwater = tracker
  if (dataset.key) init()
  const push = ([method, args, at]: Kept) => attempt(() => runAt(at, () => tracker[method](...args)))
  stub?.q?.map?.(push)
  // Functions of the stub that the page has kept go on working.
  if (stub) stub.q = { push }
})
