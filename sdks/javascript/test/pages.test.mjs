// Which page views are counted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { visit } from './visit.mjs'

/** The addresses that were counted, and where the visitor came to them from. */
async function views(browser) {
  await browser.pass()
  await browser.pass()
  const shown = browser.sent().filter((event) => event.type === 'page')
  return shown.map(({ context: { page } }) => [page.url, page.referrer])
}

const start = ['https://shop.example/start?utm_source=news', 'https://search.example/']

test('a page is counted once, without what follows the hash', async () => {
  assert.deepEqual(await views(visit()), [start])
})

test('each change of the address is counted once, coming from the one before', async () => {
  const browser = visit()
  browser.window.history.pushState({}, '', '/a')
  browser.window.history.replaceState({}, '', '/a')
  browser.window.history.pushState({}, '', '/a#below')
  browser.window.history.pushState({ only: 'state' }, '')
  browser.window.history.replaceState({}, '', '/b?x=1')
  browser.go('/a')
  browser.page.dispatchEvent(new Event('popstate'))
  browser.page.dispatchEvent(new Event('popstate'))
  assert.deepEqual(await views(browser), [
    start,
    ['https://shop.example/a', start[0]],
    ['https://shop.example/b?x=1', 'https://shop.example/a'],
    ['https://shop.example/a', 'https://shop.example/b?x=1'],
  ])
})

test('a page has the title that it gives itself right after its address', async () => {
  const browser = visit()
  browser.window.history.pushState({}, '', '/a')
  browser.document.title = 'A'
  await views(browser)
  assert.equal(browser.sent().at(-1).context.page.title, 'A')
})

test('sites that route by the hash may count it', async () => {
  const browser = visit({ tag: { key: 'k', hash: '' } })
  browser.go('#two')
  browser.page.dispatchEvent(new Event('popstate'))
  assert.deepEqual(await views(browser), [
    [`${start[0]}#part`, start[1]],
    [`${start[0]}#two`, `${start[0]}#part`],
  ])
})

test('a site may count its pages itself, and name them', async () => {
  const browser = visit({ tag: { key: 'k', pages: 'false' } })
  browser.window.history.pushState({}, '', '/a')
  browser.window.headwater.page('Pricing', { tier: 2 })
  await browser.pass()
  const events = browser.sent().map(({ type, event, properties }) => ({ type, event, properties }))
  assert.deepEqual(events, [{ type: 'page', event: 'Pricing', properties: { tier: 2 } }])
})

test('a page that comes back as it was left counts again', async () => {
  const browser = visit()
  browser.page.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: false }))
  browser.page.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))
  assert.deepEqual(await views(browser), [start, start])
})

test('a page that is prepared in advance counts when it is shown', async () => {
  const browser = visit({ before: 'document.prerendering = true' })
  assert.deepEqual(await views(browser), [])
  browser.document.dispatchEvent(new Event('prerenderingchange'))
  assert.deepEqual(await views(browser), [start])
})

test('history works as if nobody watched it', async () => {
  const browser = visit({
    before: `history.pushState = function (...args) {
      if (this !== history) throw Error('another history')
      if (args[2] === 'https://other.example/') throw Error('another origin')
      history.state = args[0]
    }`,
  })
  browser.run('history.pushState({ a: 1 }, "", "/a")')
  assert.equal(browser.window.history.state.a, 1)
  assert.throws(() => browser.run('history.pushState({}, "", "https://other.example/")'), /another origin/)
})
