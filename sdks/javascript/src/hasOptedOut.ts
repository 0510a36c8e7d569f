import type { Options } from './options.js'

/** Whether the browser sends a signal that the page respects. */
export function hasOptedOut({ respect = 'gpc' }: Options): boolean {
  const { globalPrivacyControl: gpc, doNotTrack: dnt } = navigator as Navigator & { globalPrivacyControl?: boolean }
  return (gpc && respect.includes('gpc')) || (dnt === '1' && respect.includes('dnt'))
}
