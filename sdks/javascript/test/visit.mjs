// A visit to a page with the script: the objects of a browser that the tracker touches, as small fakes.
//
// Each visit runs the built script in a context of its own. Nothing runs by itself: `browser.pass()` lets the timers
// that wait come due, and `browser.settle()` lets promises resolve.
import { readFileSync } from 'node:fs'
import { createContext, runInContext } from 'node:vm'

const script = readFileSync(new URL('../dist/hw.js', import.meta.url), 'utf8')

/** Opens a page. `tag` is the script tag's data, `before` runs in the page before the script does. */
export function visit({
  url = 'https://shop.example/start?utm_source=news#part',
  tag = { key: 'hw_w_test' },
  before = '',
  navigator = {},
  storage = new Map(),
  answers = [],
} = {}) {
  const page = new EventTarget()
  const document = Object.assign(new EventTarget(), { title: 'Start', referrer: 'https://search.example/', hidden: false })
  Object.defineProperty(document, 'cookie', {
    get: () => browser.touched.push('cookie'),
    set: () => browser.touched.push('cookie'),
  })
  document.currentScript = { src: 'https://events.example/hw.js', dataset: tag }
  const browser = {
    requests: [],
    beacons: [],
    timers: [],
    warnings: [],
    touched: [],
    document,
    page,
    /** What the collector answers, one after the other, then 200: a status, `{ status, headers, body }` or an Error. */
    answers: [...answers],
    acceptsBeacons: () => true,
    /** Lets promises resolve. */
    settle: () => new Promise((resolve) => setImmediate(resolve)),
    /** Lets the timers that wait now come due, the shortest first. */
    async pass() {
      const due = browser.timers.splice(0).sort((a, b) => a.milliseconds - b.milliseconds)
      for (const timer of due) timer.run()
      await browser.settle()
    },
    /** Milliseconds that the timers wait. */
    waits: () => browser.timers.map((timer) => timer.milliseconds),
    /** Events that were sent by requests, in order. */
    sent: () => browser.requests.flatMap((request) => JSON.parse(request.body).batch),
    /** Goes to another address without telling anybody, as `history` does. */
    go: (address) => {
      window.location.href = new URL(address, window.location.href).href
    },
  }
  const window = {
    document,
    location: { href: url },
    navigator: {
      language: 'de-DE',
      sendBeacon: (to, body) => browser.acceptsBeacons(body) && browser.beacons.push({ to, body }) > 0,
      ...navigator,
    },
    history: {
      pushState: (state, title, address) => address && browser.go(address),
      replaceState: (state, title, address) => address && browser.go(address),
    },
    localStorage: new Proxy(
      {},
      {
        get: (_, name) => (browser.touched.push('storage'), storage.get(name)),
        set: (_, name, value) => (browser.touched.push('storage'), storage.set(name, value), true),
      },
    ),
    fetch: async (to, init) => {
      browser.requests.push({ to, ...init })
      const answer = browser.answers.shift() ?? 200
      if (answer instanceof Error) throw answer
      const { status = answer, headers = {}, body = '{"accepted":1,"rejected":[]}' } = answer
      return new Response(body, { status, headers })
    },
    addEventListener: page.addEventListener.bind(page),
    setTimeout: (run, milliseconds = 0) => {
      const timer = { run, milliseconds: +milliseconds }
      browser.timers.push(timer)
      return timer
    },
    clearTimeout: (timer) => {
      browser.timers = browser.timers.filter((other) => other !== timer)
    },
    console: { warn: (...words) => browser.warnings.push(words) },
    AbortSignal,
    Blob,
    URL,
    crypto,
  }
  window.window = window
  browser.window = window
  browser.run = (code) => runInContext(code, window)
  createContext(window)
  browser.run(before)
  browser.load = () => browser.run(script)
  browser.load()
  return browser
}
