// What calls become on the wire.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { visit } from './visit.mjs'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
/** The queueing stub, as pages copy it. */
const stub = readme.match(/<script>\n(.+)\n<\/script>/)[1]
const silent = { key: 'hw_w_test', pages: 'false' }

/** What a visitor said, as far as the test gave it. */
const said = ({ type, event, user_id, group_id, properties, traits }) =>
  JSON.parse(JSON.stringify({ type, event, user_id, group_id, properties, traits }))

test('a request is one that a browser sends without asking first, and has the key in its body', async () => {
  const browser = visit()
  browser.window.headwater.track('Signed Up', { plan: 'pro' })
  await browser.pass()
  await browser.pass()
  assert.equal(browser.requests.length, 1)
  const [{ to, method, headers, credentials, keepalive, body }] = browser.requests
  assert.equal(to, 'https://events.example/api/v1/events/batch')
  assert.deepEqual([method, headers, credentials, keepalive], ['POST', undefined, 'omit', true])
  const { write_key, sent_at, batch, ...more } = JSON.parse(body)
  assert.deepEqual([write_key, more], ['hw_w_test', {}])
  assert.ok(Math.abs(new Date(sent_at) - Date.now()) < 5000)
  const context = {
    page: { url: 'https://shop.example/start?utm_source=news', referrer: 'https://search.example/', title: 'Start' },
    locale: 'de-DE',
    library: { name: 'headwater.js', version },
  }
  for (const event of batch) {
    assert.match(event.event_id, /^0[0-9a-f]{11}7[0-9a-f]{3}8[0-9a-f]{15}$/)
    assert.ok(Math.abs(new Date(event.timestamp) - Date.now()) < 5000)
    delete event.event_id
    delete event.timestamp
  }
  // The page view waits for the page's title; it has the time at which the page was seen.
  assert.deepEqual(batch, [
    { cookieless: true, event: 'Signed Up', properties: { plan: 'pro' }, context },
    { cookieless: true, type: 'page', context },
  ])
})

test('a user and a group hold until the reset', async () => {
  const browser = visit({ tag: silent })
  const { track, identify, group, reset, flush } = browser.window.headwater
  track('a')
  identify('ada', { plan: 'pro' })
  track('b')
  group('acme', { seats: 3 })
  track('c')
  reset()
  track('d')
  await flush()
  assert.deepEqual(browser.sent().map(said), [
    { event: 'a' },
    { type: 'identify', user_id: 'ada', traits: { plan: 'pro' } },
    { event: 'b', user_id: 'ada' },
    { type: 'group', user_id: 'ada', group_id: 'acme', traits: { seats: 3 } },
    { event: 'c', user_id: 'ada', group_id: 'acme' },
    { event: 'd' },
  ])
})

test('calls made before the script is there are made in their order, with their times', async () => {
  const early = `${stub}
    headwater.track('first', { n: 1 })
    headwater.identify('ada')
    headwater.track('second')
    headwater.q.forEach((call, place) => { call[2] = new Date(Date.UTC(2026, 0, 1 + place)) })`
  const browser = visit({ before: early })
  browser.window.headwater.track('third')
  await browser.window.headwater.flush()
  assert.deepEqual(browser.sent().map(said), [
    { event: 'first', properties: { n: 1 } },
    { type: 'identify', user_id: 'ada' },
    { event: 'second', user_id: 'ada' },
    { event: 'third', user_id: 'ada' },
  ])
  const times = browser.sent().map((event) => event.timestamp)
  assert.deepEqual(times.slice(0, 3), ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z', '2026-01-03T00:00:00.000Z'])
  assert.ok(Date.now() - new Date(times[3]) < 5000)
})

test('the example has the same stub', () => {
  assert.ok(readFileSync(new URL('../example/index.html', import.meta.url), 'utf8').includes(stub))
})

test('functions of the stub that the page has kept go on working', async () => {
  const browser = visit({ tag: silent, before: `${stub}; keptTrack = headwater.track` })
  browser.run('keptTrack("late")')
  await browser.window.headwater.flush()
  assert.deepEqual(browser.sent().map(said), [{ event: 'late' }])
})

test('the stub keeps a thousand calls of a script that never comes', () => {
  const browser = visit({ before: `${stub}; for (let n = 0; n < 2000; n++) headwater.track('n'); kept = headwater.q.length` })
  assert.equal(browser.window.kept, 1000)
})

test('without a key in the tag, calls wait for init', async () => {
  const before = `${stub}; headwater.track('first'); headwater.q[0][2] = new Date(0)`
  const browser = visit({ tag: {}, before })
  const { track, init, flush } = browser.window.headwater
  track('second')
  await flush()
  assert.equal(browser.requests.length, 0)
  init({ key: 'other', host: 'https://elsewhere.example/in/', pages: false })
  init({ key: 'ignored' })
  track('third')
  await flush()
  assert.equal(browser.requests[0].to, 'https://elsewhere.example/in/api/v1/events/batch')
  assert.equal(JSON.parse(browser.requests[0].body).write_key, 'other')
  assert.deepEqual(browser.sent().map(said), [{ event: 'first' }, { event: 'second' }, { event: 'third' }])
  assert.deepEqual(browser.sent().map(({ timestamp }) => timestamp < '2000'), [true, false, false])
})

test('a page that never calls init costs little memory', async () => {
  const browser = visit({ tag: {} })
  const { track, init, flush } = browser.window.headwater
  for (let n = 0; n < 2000; n++) track('n')
  init({ key: 'late', pages: false })
  await flush()
  assert.equal(browser.sent().length, 1000)
})

test('a script that stands twice in a page counts once', async () => {
  const browser = visit()
  const first = browser.window.headwater
  browser.load()
  await browser.pass()
  await browser.pass()
  assert.equal(browser.window.headwater, first)
  assert.equal(browser.sent().length, 1)
})

test('an element of the page that has our name is no tracker', () => {
  const browser = visit({ before: 'headwater = { id: "headwater" }' })
  assert.equal(typeof browser.window.headwater.track, 'function')
})

test('what the page changes after a call does not change the event', async () => {
  const browser = visit({ tag: silent })
  const properties = { step: 1 }
  browser.window.headwater.track('a', properties)
  properties.step = 2
  await browser.window.headwater.flush()
  assert.deepEqual(browser.sent()[0].properties, { step: 1 })
})

test('nothing that a page does or lacks makes us throw', async () => {
  const browser = visit({ tag: silent })
  const { track, identify, flush, init } = browser.window.headwater
  const circle = {}
  circle.circle = circle
  track('circle', circle)
  track('big', { n: 1n })
  track('hostile', { toJSON: () => { throw Error('hostile') } })
  track()
  identify()
  init()
  browser.window.fetch = () => { throw Error('replaced') }
  await flush()
  browser.window.fetch = undefined
  await browser.pass()
  browser.window.crypto = undefined
  track('no crypto')
  browser.window.navigator.sendBeacon = undefined
  browser.page.dispatchEvent(new Event('pagehide'))
  assert.deepEqual(browser.warnings.map(([, kind]) => kind), ['failed'])
  assert.doesNotThrow(() => visit({ before: 'document.currentScript = null' }))
  assert.doesNotThrow(() => visit({ before: 'history = undefined' }))
})
