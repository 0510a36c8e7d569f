// A real Chromium without a window: Debian's, or the one that HEADWATER_CHROMIUM names.
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'

const executablePath = process.env.HEADWATER_CHROMIUM ?? '/usr/bin/chromium'

/** Starts it with an empty profile. */
export function launch() {
  if (!existsSync(executablePath)) {
    throw Error(`${executablePath} is missing: install the package chromium, or name a Chromium in HEADWATER_CHROMIUM`)
  }
  const quiet = ['background-networking', 'component-update', 'sync', 'quic', 'gpu'].map((what) => `--disable-${what}`)
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--no-first-run', ...quiet] })
}
