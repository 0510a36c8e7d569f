import { attempt } from './attempt.js'
import { sendBeforeLeaving } from './sendBeforeLeaving.js'

/** On a phone a hidden page is often the last that is seen of it; elsewhere `pagehide` is the last moment. */
export function watchLeaving(): void {
  const leave = () => attempt(sendBeforeLeaving)
  document.addEventListener('visibilitychange', () => document.hidden && leave())
  addEventListener('pagehide', leave)
}
