// What takes the Worker's own time: half a minute and more.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { WebSocket } from 'undici'
import { KEY, key, startEdge } from '../edge.mjs'
import { startQueue } from '../queue.mjs'

const READ = 'hw_r_read'
let queue, edge

before(async () => {
  queue = await startQueue()
  edge = await startEdge({ queueUrl: queue.url })
})

after(async () => {
  await edge?.close()
  await queue?.close()
})

const project = (...keys) => edge.projects({ id: 'shop', keys: [key(KEY), ...keys] })
const pause = (seconds) => new Promise((over) => setTimeout(over, seconds * 1_000))

test('a body that does not come is given up on after ten seconds', async () => {
  await project()
  const started = performance.now()
  const status = await new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${KEY}`, 'content-length': 100 }
    const sent = request(`${edge.url}/api/v1/events`, { method: 'POST', headers }, ({ statusCode }) => {
      resolve(statusCode)
      sent.destroy()
    })
    sent.on('error', reject)
    sent.write('{"event"')
  })
  const took = performance.now() - started
  assert.equal(status, 408)
  assert.ok(took > 9_500 && took < 15_000, `${took} ms`)
})

test('the flag is renewed while somebody watches, and a watch ends with its key', async () => {
  await project(key(READ, { id: 'read', scopes: ['read'] }))
  const asked = ['headwater.live.v1', `headwater.key.${Buffer.from(READ).toString('base64url')}`]
  const socket = new WebSocket(`${edge.url.replace('http', 'ws')}/api/v1/live`, asked)
  const closed = new Promise((ended) => socket.addEventListener('close', ({ code }) => ended(code)))
  await new Promise((welcome) => socket.addEventListener('message', welcome, { once: true }))
  // Longer than the flag lasts by itself.
  await pause(75)
  assert.equal(await edge.store.get('live/shop'), '{"filters":[{}]}')
  await project()
  assert.equal(await Promise.race([closed, pause(40)]), 4001)
})
