// Sends one of each call through Segment's own Node SDK: node send_segment.mjs URL WRITE_KEY
import { Analytics } from '@segment/analytics-node'

const [url, writeKey] = process.argv.slice(2)
const analytics = new Analytics({ writeKey, host: url, path: '/v1/batch', maxEventsInBatch: 15 })
analytics.on('error', (error) => {
  console.error(error)
  process.exitCode = 1
})

analytics.track({ anonymousId: 'node-visitor', event: 'Product Viewed', properties: { sku: 'A1', price: 12.5 } })
analytics.identify({ userId: 'node-user', anonymousId: 'node-visitor', traits: { plan: 'pro', seats: 5 } })
analytics.track({ userId: 'node-user', event: 'Order Completed', properties: { total: 25, items: [{ sku: 'A1' }, { sku: 'B2' }] } })
analytics.page({ userId: 'node-user', category: 'Docs', name: 'Home', properties: { url: 'https://example.com/docs?utm_source=newsletter' } })
analytics.screen({ anonymousId: 'node-phone', name: 'Main' })
analytics.group({ userId: 'node-user', groupId: 'node-org', traits: { name: 'Acme' } })
analytics.track({ userId: 'node-old-user', event: 'Product Viewed', properties: { sku: 'C3', price: 7 } })
analytics.alias({ userId: 'node-user', previousId: 'node-old-user' })
await analytics.closeAndFlush()
