// What is kept on the visitor's device, and who is not counted at all.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { visit } from './visit.mjs'

const silent = { key: 'hw_w_test', pages: 'false' }
const ids = ({ anonymous_id, user_id, group_id, cookieless }) =>
  JSON.parse(JSON.stringify({ anonymous_id, user_id, group_id, cookieless }))

async function use({ track, identify, group, flush, reset }) {
  track('a')
  identify('ada')
  group('acme')
  reset()
  track('b')
  await flush()
}

test('nothing is kept on the device unless the page asks for it', async () => {
  const browser = visit({ tag: silent })
  await use(browser.window.headwater)
  assert.deepEqual(browser.touched, [])
  assert.deepEqual(ids(browser.sent()[0]), { cookieless: true })
})

test('a page that asks for it knows its visitors again, without a cookie', async () => {
  const storage = new Map()
  const tag = { ...silent, persist: '' }
  const first = visit({ tag, storage })
  first.window.headwater.track('a')
  first.window.headwater.identify('ada')
  first.window.headwater.group('acme')
  await first.window.headwater.flush()
  const [{ anonymous_id }] = first.sent()
  assert.match(anonymous_id, /^[0-9a-f]{32}$/)
  assert.deepEqual(first.sent().map(ids), [
    { anonymous_id },
    { anonymous_id, user_id: 'ada' },
    { anonymous_id, user_id: 'ada', group_id: 'acme' },
  ])
  assert.ok(!first.touched.includes('cookie'))

  const second = visit({ tag, storage })
  second.window.headwater.track('b')
  second.window.headwater.reset()
  second.window.headwater.track('c')
  await second.window.headwater.flush()
  const [known, unknown] = second.sent().map(ids)
  assert.deepEqual(known, { anonymous_id, user_id: 'ada', group_id: 'acme' })
  assert.deepEqual(Object.keys(unknown), ['anonymous_id'])
  assert.notEqual(unknown.anonymous_id, anonymous_id)

  const third = visit({ tag, storage })
  third.window.headwater.track('d')
  await third.window.headwater.flush()
  assert.deepEqual(third.sent().map(ids), [unknown])
})

test('where storage is forbidden, damaged or full, the visitor is known as long as the page lives', async () => {
  const forbidden = 'Object.defineProperty(globalThis, "localStorage", { get() { throw Error("forbidden") } })'
  for (const [before, storage] of [[forbidden], ['', new Map([['headwater', '{"anonymous_']])], ['', new Map([['headwater', 'null']])]]) {
    const browser = visit({ tag: { ...silent, persist: '' }, before, storage })
    browser.window.headwater.track('a')
    browser.window.headwater.track('b')
    await browser.window.headwater.flush()
    const [a, b] = browser.sent().map(ids)
    assert.match(a.anonymous_id, /^[0-9a-f]{32}$/)
    assert.deepEqual(a, b)
    assert.deepEqual(browser.warnings, [])
  }
})

const gpc = { globalPrivacyControl: true }
const dnt = { doNotTrack: '1' }
for (const [navigator, respect, counted] of [
  [{}, undefined, true],
  [gpc, undefined, false],
  [gpc, 'gpc dnt', false],
  [gpc, 'dnt', true],
  [gpc, 'none', true],
  [dnt, undefined, true],
  [dnt, 'gpc dnt', false],
  [dnt, 'none', true],
  [{ doNotTrack: '0', globalPrivacyControl: false }, 'gpc dnt', true],
]) {
  const name = `${JSON.stringify(navigator)} with respect ${respect} is ${counted ? '' : 'not '}counted`
  test(name, async () => {
    const tag = { key: 'k', persist: '' }
    const browser = visit({ tag: respect ? { ...tag, respect } : tag, navigator })
    await use(browser.window.headwater)
    browser.window.headwater.track('last')
    browser.page.dispatchEvent(new Event('pagehide'))
    await browser.pass()
    assert.equal(browser.requests.length + browser.beacons.length > 0, counted)
    assert.equal(browser.touched.length > 0, counted)
  })
}
