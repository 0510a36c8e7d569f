// The Worker from outside: requests in, messages in a queue out.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { KEY, key, startEdge } from './edge.mjs'
import { open, startQueue } from './queue.mjs'

let queue, edge

before(async () => {
  queue = await startQueue()
  edge = await startEdge({ queueUrl: queue.url })
  await edge.projects({ id: 'shop', keys: [key(KEY)] })
})

after(async () => {
  await edge?.close()
  await queue?.close()
})

const post = (path, body, headers = {}) =>
  fetch(edge.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, ...headers },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  })

test('an event waits in the queue before its sender sees 200', async () => {
  const answer = await post('/api/v1/events', { event: 'order placed', user_id: 'u1', properties: { total: 12 } })
  assert.equal(answer.status, 200)
  assert.deepEqual(await answer.json(), { accepted: 1, rejected: [] })
  const [message] = queue.messages
  const envelope = open(message)
  assert.equal(envelope.project, 'shop')
  assert.equal(envelope.events[0].event, 'order placed')
})
