// How events reach the collector, and when they do not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { visit } from './visit.mjs'

const tag = { key: 'hw_w_test', pages: 'false' }
const names = (events) => events.map(({ event }) => event)
const many = (browser, count, properties) => {
  for (let n = 0; n < count; n++) browser.window.headwater.track(`n${n}`, properties)
}
const leave = (browser) => browser.page.dispatchEvent(new Event('pagehide'))
const hide = (browser) => {
  browser.document.hidden = true
  browser.document.dispatchEvent(new Event('visibilitychange'))
}

test('events wait a second for others, or as long as the page says', () => {
  const waits = (tag) => {
    const browser = visit({ tag })
    many(browser, 3)
    return browser.waits()
  }
  assert.deepEqual(waits(tag), [1000])
  assert.deepEqual(waits({ ...tag, interval: '50' }), [50])
})

test('twenty events wait no longer', async () => {
  const browser = visit({ tag })
  many(browser, 19)
  assert.equal(browser.requests.length, 0)
  many(browser, 1)
  assert.equal(browser.sent().length, 20)
})

test('one request is under way at a time, and what comes meanwhile follows', async () => {
  const browser = visit({ tag })
  let answer
  const { fetch } = browser.window
  browser.window.fetch = async (...request) => {
    const result = await fetch(...request)
    await new Promise((resolve) => (answer = resolve))
    return result
  }
  many(browser, 20)
  await browser.settle()
  many(browser, 25)
  const all = browser.window.headwater.flush()
  assert.deepEqual(browser.requests.map((request) => JSON.parse(request.body).batch.length), [20])
  answer()
  await browser.settle()
  assert.deepEqual(browser.requests.map((request) => JSON.parse(request.body).batch.length), [20, 25])
  answer()
  await all
})

for (const failure of [new TypeError('Failed to fetch'), 408, 429, 500, 503]) {
  test(`after ${failure.message ?? failure} the same events are sent again, in their order`, async () => {
    const browser = visit({ tag, answers: [failure, failure] })
    many(browser, 2)
    const failing = browser.window.headwater.flush()
    browser.window.headwater.track('later')
    await failing
    await browser.pass()
    browser.window.headwater.track('last')
    await browser.pass()
    const [first, , third] = browser.requests.map((request) => JSON.parse(request.body).batch)
    assert.deepEqual(names(first), ['n0', 'n1'])
    assert.deepEqual(names(third), ['n0', 'n1', 'later', 'last'])
    assert.deepEqual(third.slice(0, 2), first)
    assert.equal(browser.requests.length, 3)
    assert.deepEqual(browser.warnings, [])
  })
}

test('tries come ever more rarely, half by chance, up to once a minute', async () => {
  for (const [chance, share] of [[0, 0.5], [1, 1]]) {
    const browser = visit({ tag, answers: Array(9).fill(503) })
    browser.run(`Math.random = () => ${chance}`)
    many(browser, 1)
    const waits = []
    for (let n = 0; n < 9; n++) {
      await browser.pass()
      waits.push(...browser.waits())
    }
    assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1000 * share))
  }
})

test('success makes the next failure the first again', async () => {
  const browser = visit({ tag, answers: [503, 503, 200, 503] })
  browser.run('Math.random = () => 1')
  many(browser, 1)
  for (let n = 0; n < 3; n++) await browser.pass()
  many(browser, 1)
  await browser.pass()
  assert.deepEqual(browser.waits(), [1000])
})

test('a collector that asks for time gets it, and no event and no flush breaks in', async () => {
  const wait = async (retryAfter) => {
    const browser = visit({ tag, answers: [{ status: 429, headers: { 'retry-after': retryAfter } }] })
    browser.run('Math.random = () => 1')
    many(browser, 1)
    const asked = browser.window.headwater.flush()
    many(browser, 1)
    await asked
    many(browser, 30)
    await browser.window.headwater.flush()
    assert.equal(browser.requests.length, 1)
    const [milliseconds, ...more] = browser.waits()
    assert.deepEqual(more, [])
    return milliseconds
  }
  assert.equal(await wait('7'), 8000)
  const inAMinute = new Date(Date.now() + 60_000).toUTCString()
  assert.ok(Math.abs((await wait(inAMinute)) - 61_000) < 2000)
  assert.equal(await wait(String(1e12)), 3_601_000)
  for (const nonsense of ['soon', '-5', '0']) assert.equal(await wait(nonsense), 1000, nonsense)
})

test('what is refused for good is dropped, and the page is told once', async () => {
  const body = '{"code":"key_unknown"}'
  const browser = visit({ tag, answers: [{ status: 401, body }, { status: 401, body }, 200] })
  for (let n = 0; n < 3; n++) {
    many(browser, 1)
    await browser.pass()
  }
  assert.deepEqual(browser.requests.map((request) => JSON.parse(request.body).batch.length), [1, 1, 1])
  assert.deepEqual(browser.warnings, [['headwater:', 401, body]])
})

test('the page is told of events that the collector could not use', async () => {
  const body = '{"accepted":1,"rejected":[{"index":1,"code":"event_name_missing"}]}'
  const browser = visit({ tag, answers: [{ status: 200, body }] })
  many(browser, 1)
  await browser.pass()
  assert.deepEqual(browser.warnings, [['headwater:', 200, body]])
})

test('memory is bounded: the oldest events give way, and the page is told once', async () => {
  const browser = visit({ tag, answers: Array(1000).fill(503) })
  many(browser, 60, { text: 'x'.repeat(50_000) })
  leave(browser)
  const kept = browser.beacons.flatMap(({ body }) => JSON.parse(body).batch)
  assert.ok(kept.length >= 18 && kept.length <= 20, `${kept.length}`)
  assert.equal(kept.at(-1).event, 'n59')
  assert.deepEqual(browser.warnings, [['headwater:', 'lost', 'too many events wait']])
})

test('batches stay below 64 KiB, in bytes and not in characters', async () => {
  const browser = visit({ tag })
  many(browser, 19, { text: '€'.repeat(5_000) })
  await browser.window.headwater.flush()
  const sizes = browser.requests.map(({ body }) => Buffer.byteLength(body))
  assert.deepEqual(names(browser.sent()), Array.from({ length: 19 }, (_, n) => `n${n}`))
  assert.ok(sizes.length > 4 && sizes.every((size) => size < 65_536), `${sizes}`)
  assert.ok(browser.requests.every(({ keepalive }) => keepalive))
})

test('a larger event goes alone, in a request that does not outlive the page', async () => {
  const browser = visit({ tag })
  many(browser, 1)
  many(browser, 1, { text: 'x'.repeat(70_000) })
  many(browser, 1)
  await browser.window.headwater.flush()
  const requests = browser.requests.map(({ body, keepalive }) => [JSON.parse(body).batch.length, keepalive])
  assert.deepEqual(requests, [[1, true], [1, false], [1, true]])
})

for (const [way, go] of [['closed', leave], ['hidden', hide]]) {
  test(`a page that is ${way} hands over what waits, and sends it once`, async () => {
    const browser = visit({ tag })
    many(browser, 2)
    go(browser)
    go(browser)
    await browser.pass()
    assert.equal(browser.beacons.length, 1)
    assert.equal(browser.beacons[0].to, 'https://events.example/api/v1/events/batch')
    assert.equal(typeof browser.beacons[0].body, 'string')
    assert.deepEqual(names(JSON.parse(browser.beacons[0].body).batch), ['n0', 'n1'])
    assert.equal(browser.requests.length, 0)
  })
}

test('a page that becomes visible again hands nothing over', () => {
  const browser = visit({ tag })
  many(browser, 2)
  browser.document.dispatchEvent(new Event('visibilitychange'))
  assert.equal(browser.beacons.length, 0)
})

test('what the browser does not take stays', async () => {
  const browser = visit({ tag })
  let allowed = 65_536
  browser.acceptsBeacons = (body) => (allowed -= body.length) > 0 || ((allowed += body.length), false)
  many(browser, 10, { text: 'x'.repeat(20_000) })
  leave(browser)
  assert.equal(browser.beacons.length, 1)
  await browser.pass()
  const handed = JSON.parse(browser.beacons[0].body).batch
  assert.deepEqual(names([...handed, ...browser.sent()]), Array.from({ length: 10 }, (_, n) => `n${n}`))
})

test('a browser that takes nothing loses nothing of a page that comes back', async () => {
  const browser = visit({ tag })
  browser.window.navigator.sendBeacon = undefined
  many(browser, 2)
  hide(browser)
  await browser.pass()
  assert.deepEqual(names(browser.sent()), ['n0', 'n1'])
})

test('while the collector is failing, what is handed over stays as well', async () => {
  const browser = visit({ tag, answers: [503] })
  many(browser, 2)
  await browser.pass()
  hide(browser)
  await browser.pass()
  const handed = JSON.parse(browser.beacons[0].body).batch
  assert.deepEqual(names(handed), ['n0', 'n1'])
  assert.deepEqual(JSON.parse(browser.requests[1].body).batch, handed)
})

test('each event has an id of its own', async () => {
  const browser = visit({ tag })
  many(browser, 500)
  await browser.window.headwater.flush()
  assert.equal(new Set(browser.sent().map((event) => event.event_id)).size, 500)
})
