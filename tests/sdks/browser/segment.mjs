// A visitor of a page with Segment's own analytics-next: node segment.mjs COLLECTOR WRITE_KEY
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { launch } from './chromium.mjs'
import { openGate } from './gate.mjs'

const [collector, key] = process.argv.slice(2)
const gate = await openGate(collector)
const library = await readFile(new URL('node_modules/@segment/analytics-next/dist/umd/index.js', import.meta.url))

/** As Segment's documentation has it, with two settings changed: where the settings lie, and how batches are sent. */
const page = (delivery) => `<!doctype html><html lang="en"><title>Shop</title><script src="/library.js"></script><script>
  analytics = AnalyticsNext.AnalyticsBrowser.load(
    { writeKey: ${JSON.stringify(key)}, cdnURL: ${JSON.stringify(gate.url)} },
    { integrations: { 'Segment.io': { deliveryStrategy: ${JSON.stringify(delivery)} } } },
  )
  analytics.page('Home')
</script></html>`
const pages = { '/library.js': library, '/': page({}), '/batching': page({ strategy: 'batching', config: { size: 100, timeout: 60_000 } }) }
const site = createServer(({ url }, response) => {
  const file = pages[new URL(url, 'http://site').pathname]
  response.writeHead(file ? 200 : 404, { 'content-type': url.endsWith('.js') ? 'text/javascript' : 'text/html' }).end(file)
})
await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve))

const browser = await launch()
const profile = await browser.newContext()
const errors = []
async function open(path) {
  const tab = await profile.newPage()
  tab.on('pageerror', (error) => errors.push(String(error)))
  await tab.goto(`http://127.0.0.1:${site.address().port}${path}`)
  return tab
}
const says = (word) => ({ body }) => body.includes(JSON.stringify(word))

const shop = await open('/?utm_source=poster')
await shop.evaluate(`(async () => {
  await analytics.track('Product Viewed', { sku: 'A1' })
  await analytics.identify('segment-user', { plan: 'pro' })
  await analytics.group('segment-org', { name: 'Acme' })
  await analytics.track('Order Completed', { total: 25 })
  await analytics.alias('segment-user', 'segment-old-user')
})()`)
await gate.until('the alias', ({ path }) => path === '/v1/a')
await shop.close()

const closed = await open('/batching')
await closed.evaluate('analytics.track("Left By Closing")')
await Promise.all([closed.waitForEvent('close'), closed.close({ runBeforeUnload: true })])
await gate.until('what the closed tab sent', says('Left By Closing'))

// Each call by its own path, and the batch; nobody was refused anything.
const kinds = new Set(gate.passed.map(({ method, path, status }) => `${method} ${path} ${status}`))
assert.deepEqual([...kinds].sort(), [
  `GET /v1/projects/${key}/settings 200`,
  'OPTIONS /v1/a 204',
  'OPTIONS /v1/b 204',
  'OPTIONS /v1/g 204',
  'OPTIONS /v1/i 204',
  'OPTIONS /v1/p 204',
  'OPTIONS /v1/t 204',
  'POST /v1/a 200',
  'POST /v1/b 200',
  'POST /v1/g 200',
  'POST /v1/i 200',
  'POST /v1/p 200',
  'POST /v1/t 200',
])
assert.deepEqual(errors, [])
await browser.close()
gate.close()
site.close()
process.exit(0)
