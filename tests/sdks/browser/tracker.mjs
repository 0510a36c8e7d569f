// A visitor of the example page with our tracker: node tracker.mjs COLLECTOR WRITE_KEY [SCREENSHOT_FOLDER]
import assert from 'node:assert/strict'
import { serve } from '../../../sdks/javascript/example/serve.mjs'
import { launch } from './chromium.mjs'
import { openGate } from './gate.mjs'

const [collector, key, screenshots] = process.argv.slice(2)
const gate = await openGate(collector)
const browser = await launch()
const warnings = []

/** Opens a tab in a fresh profile, on a site whose script tag has more attributes. */
async function site(more) {
  const server = await serve(gate.url, key, { more })
  const profile = await browser.newContext({ locale: 'de-DE' })
  const open = async (path) => {
    const tab = await profile.newPage()
    tab.on('console', (message) => warnings.push(message.text()))
    tab.on('pageerror', (error) => warnings.push(String(error)))
    await tab.goto(`http://127.0.0.1:${server.address().port}${path}`)
    await tab.waitForFunction('headwater.track && !headwater.q')
    return tab
  }
  return { open, profile, server }
}
const says = (word) => ({ body }) => body.includes(JSON.stringify(word))
const sees = async (tab, name) => tab.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true })

// A visit with clicks. The answer to its first batch is lost, so that it is sent twice.
const shop = await site()
gate.losesAnswers = 1
const home = await shop.open('/?utm_source=poster#top')
await home.evaluate('headwater.flush()')
await home.click('text=Lamps')
await home.click('text=Chairs')
await home.goBack()
await home.click('text=Add to cart')
await home.click('text=Log in')
await home.click('text=Act for')
await gate.until('the login, after a second try', says('identify'))
await home.click('text=Log out')
await home.click('text=Add to cart')
await home.evaluate('headwater.flush()')
if (screenshots) await sees(home, 'example')
assert.equal(await home.evaluate('document.cookie'), '')
assert.equal(await home.evaluate('localStorage.length + sessionStorage.length'), 0)
assert.deepEqual(await shop.profile.cookies(), [])

// Tabs that are left with events waiting: closed, and sent elsewhere.
const closed = await shop.open('/closed')
await closed.evaluate('headwater.track("Left By Closing")')
await Promise.all([closed.waitForEvent('close'), closed.close({ runBeforeUnload: true })])
await gate.until('what the closed tab sent', says('Left By Closing'))
const moved = await shop.open('/moved')
await moved.evaluate('headwater.track("Left By Moving On")')
await moved.goto('about:blank')
await gate.until('what the tab sent before it moved on', says('Left By Moving On'))
// A site that asks to know its visitors again: two page loads, one visitor.
const known = await site('data-persist data-pages="false"')
for (const name of ['First Load', 'Second Load']) {
  const tab = await known.open('/known')
  await tab.evaluate(`headwater.track(${JSON.stringify(name)})`)
  await tab.evaluate('headwater.flush()')
  await gate.until(name, says(name))
}
assert.deepEqual(await known.profile.cookies(), [])

// A visitor whose browser says no.
const refusing = await site()
await refusing.profile.addInitScript('Object.defineProperty(navigator, "globalPrivacyControl", { value: true })')
const silent = await refusing.open('/refused')
await silent.evaluate('headwater.track("Never Sent"); headwater.flush()')
await silent.close({ runBeforeUnload: true })

// Only plain requests: no preflight, no cookie, nothing but the script and batches.
const kinds = new Set(gate.passed.map(({ method, path }) => `${method} ${path}`))
assert.deepEqual([...kinds].sort(), ['GET /hw.js', 'POST /api/v1/events/batch'])
for (const { headers, body } of gate.passed.filter(({ method }) => method === 'POST')) {
  assert.equal(headers['content-type'], 'text/plain;charset=UTF-8')
  assert.equal(headers.cookie, undefined)
  assert.ok(!body.includes('Never Sent') && !body.includes('/refused'))
}
assert.deepEqual(warnings.filter((text) => !text.startsWith('Failed to load resource')), [])

await browser.close()
gate.close()
for (const { server } of [shop, known, refusing]) server.close()
process.exit(0)
