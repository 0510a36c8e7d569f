// The Worker from outside: requests in, messages in a queue out.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { after, before, beforeEach, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { KEY, key, startEdge } from './edge.mjs'
import { open, startQueue } from './queue.mjs'

const CF = { country: 'NL', region: 'North Holland', city: 'Amsterdam', timezone: 'Europe/Amsterdam', colo: 'AMS' }
const CREDENTIALS = { AWS_SESSION_TOKEN: 'a-session-token' }
/** Twelve requests of the small tier pass, in 10 seconds. */
const LIMITS = [12, 20_000, 500_000]

let queue, edge
const logs = []

before(async () => {
  queue = await startQueue()
  const log = (line) => logs.push(line)
  edge = await startEdge({ queueUrl: queue.url, cf: CF, limits: LIMITS, vars: { ...CREDENTIALS, SQS_BUDGET_MS: '600' }, log })
  await edge.projects(
    { id: 'shop', keys: [key(KEY), key('hw_r_read', { id: 'read', scopes: ['read'] })] },
    { id: 'small', tier: 'small', keys: [key('hw_w_small')] },
    { id: 'quiet', keys: [key('hw_w_quiet')], privacy: { cookieless: true } },
    { id: 'ip', keys: [key('hw_w_ip')], privacy: { keep_ip: true } },
  )
})

after(async () => {
  await edge?.close()
  await queue?.close()
})

beforeEach(() => {
  queue.requests = []
  queue.messages = []
  queue.faults = []
})

const EVENT = { event: 'order placed', user_id: 'u1', properties: { total: 12 } }

const post = (path, body, headers = {}, to = edge) =>
  fetch(to.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, ...headers },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  })

/** Sees that an answer is a problem of this status and code, which says when to try again where that helps. */
async function isProblem(answer, status, code, retryAfter = null) {
  const problem = await answer.json()
  assert.deepEqual([answer.status, problem.code, problem.status], [status, code, status])
  assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  assert.equal(answer.headers.get('retry-after'), retryAfter)
  assert.equal(answer.headers.get('access-control-allow-origin'), '*')
}

test('an event waits in the queue before its sender sees 200', async () => {
  const answer = await post('/api/v1/events', EVENT)
  assert.equal(answer.status, 200)
  assert.deepEqual(await answer.json(), { accepted: 1, rejected: [] })
  assert.equal(answer.headers.get('access-control-allow-origin'), '*')
  const [message] = queue.messages
  const envelope = open(message)
  assert.equal(message.QueueUrl, queue.url)
  assert.deepEqual(message.MessageAttributes, {
    message_id: { DataType: 'String', StringValue: envelope.message_id },
    project: { DataType: 'String', StringValue: 'shop' },
    events: { DataType: 'Number', StringValue: '1' },
  })
  assert.deepEqual([envelope.project, envelope.write_key_id, envelope.protocol], ['shop', 'write', 'native'])
  assert.ok(Math.abs(envelope.received_at / 1000 - Date.now()) < 60_000)
  const [event] = envelope.events
  assert.deepEqual([event.event, event.user_id, event.properties], ['order placed', 'u1', { total: 12 }])
})

test('a large batch becomes several messages, and none of its events is missing', async () => {
  const size = 3_000
  const batch = Array.from({ length: 450 }, (_, number) => ({
    ...EVENT,
    properties: { number, noise: randomBytes(size).toString('base64') },
  }))
  const answer = await post('/api/v1/events/batch', gzipSync(JSON.stringify({ batch })))
  assert.deepEqual(await answer.json(), { accepted: 450, rejected: [] })
  const positions = queue.messages.map(open).flatMap(({ events }) => events.map(({ position }) => position))
  assert.deepEqual(positions.sort((a, b) => a - b), [...Array(450).keys()])
  assert.ok(queue.requests.length > 3)
  for (const { body } of queue.requests) {
    const bodies = JSON.parse(body).Entries.map(({ MessageBody }) => MessageBody.length)
    assert.ok(bodies.length <= 10 && bodies.reduce((sum, bytes) => sum + bytes) <= 256 * 1024)
  }
})

test('messages that the queue did not take are sent again, and no others', async () => {
  const batch = { batch: [EVENT, EVENT, { ...EVENT, properties: { noise: 'x'.repeat(100_000) } }] }
  queue.faults = [{ fail: ['0'] }, { fail: ['0'] }]
  const answer = await post('/api/v1/events/batch', batch)
  assert.equal(answer.status, 200)
  assert.equal(queue.requests.length, 3)
  assert.equal(queue.messages.length, 1)
  assert.equal(open(queue.messages[0]).events.length, 3)
})

test('one of several messages failing for good is a 503, never a 2xx', async () => {
  // Each is too large for one request together with another.
  const noise = () => randomBytes(90_000).toString('base64')
  const batch = { batch: Array.from({ length: 4 }, () => ({ ...EVENT, properties: { noise: noise() } })) }
  queue.faults = Array.from({ length: 30 }, () => ({ fail: ['0'] }))
  await isProblem(await post('/api/v1/events/batch', batch), 503, 'queue_unavailable', '5')
  queue.faults = [{ fail: ['0'] }, {}, {}, {}]
  assert.equal((await post('/api/v1/events/batch', batch)).status, 200)
})

const always = (fault) => Array.from({ length: 10 }, () => fault)

for (const [what, fault, rounds] of [
  ['an error of its own', { status: 500 }, 4],
  ['being overloaded', { status: 503, body: 'slow down' }, 4],
  ['throttling', { status: 400, body: { __type: 'com.amazonaws.sqs#RequestThrottled' } }, 4],
  ['a refused signature', { status: 403, body: { __type: 'com.amazonaws.sqs#InvalidSecurity' } }, 1],
  ['a queue that is not there', { status: 400, body: { __type: 'com.amazonaws.sqs#QueueDoesNotExist' } }, 1],
  ['a 200 that names no message', { body: '{}' }, 4],
  ['a 200 that is no reply', { body: 'OK' }, 4],
  ['a redirect', { status: 302, body: '' }, 1],
]) {
  test(`${what} in the queue is a 503 that asks to try again`, async () => {
    queue.faults = always(fault)
    await isProblem(await post('/api/v1/events', EVENT), 503, 'queue_unavailable', '5')
    assert.equal(queue.requests.length, rounds)
    assert.equal(queue.messages.length, 0)
  })
}

test('silence of the queue is a 503 once the budget of time is spent', async () => {
  queue.faults = always({ silent: true })
  const start = performance.now()
  await isProblem(await post('/api/v1/events', EVENT), 503, 'queue_unavailable', '5')
  const took = performance.now() - start
  assert.ok(took > 500 && took < 3_000, `${took} ms`)
})

test('a fault that passes is not seen by the sender', async () => {
  queue.faults = [{ status: 500 }, { body: 'nonsense' }]
  assert.equal((await post('/api/v1/events', EVENT)).status, 200)
  assert.equal(queue.messages.length, 1)
})

test('what is wrong with us is logged with its cause and without anything of the sender', async () => {
  logs.length = 0
  queue.faults = always({ status: 403, body: { __type: 'com.amazonaws.sqs#InvalidSecurity' } })
  await post('/api/v1/events', { event: 'secret name', user_id: 'secret@example.com' })
  const text = JSON.stringify(logs)
  assert.match(text, /InvalidSecurity/)
  assert.doesNotMatch(text, /secret|hw_w_|wJalr/)
})

test('requests to the queue are signed as botocore signs them', async () => {
  await post('/api/v1/events', { ...EVENT, properties: { text: 'naïve ☕' } })
  const [{ headers, body, url, method }] = queue.requests
  assert.deepEqual([method, url], ['POST', '/'])
  assert.equal(headers['content-type'], 'application/x-amz-json-1.0')
  assert.equal(headers['x-amz-target'], 'AmazonSQS.SendMessageBatch')
  const python = process.env.HEADWATER_TEST_PYTHON ?? 'python3'
  const script = new URL('signature.py', import.meta.url).pathname
  const input = JSON.stringify({ headers, body, url: `http://${headers.host}/` })
  assert.equal(headers.authorization, execFileSync(python, [script], { input, encoding: 'utf8' }).trim())
})

test('an unknown key is a 401, and a key that may not write a 403', async () => {
  await isProblem(await post('/api/v1/events', EVENT, { authorization: 'Bearer nobody' }), 401, 'key_unknown')
  await isProblem(await post('/api/v1/events', EVENT, { authorization: 'Bearer hw_r_read' }), 403, 'scope_missing')
  assert.equal(queue.requests.length, 0)
})

test('a key made a moment ago may still be on its way: 503, and 401 once it is old', async () => {
  const made = (secondsAgo) => {
    const second = Math.floor(Date.now() / 1000) - secondsAgo
    return `hw_w_${second.toString(16)}${'0'.repeat(32)}`
  }
  const young = { authorization: `Bearer ${made(10)}` }
  await isProblem(await post('/api/v1/events', EVENT, young), 503, 'snapshot_unavailable', '5')
  await isProblem(await post('/api/v1/events', EVENT, { authorization: `Bearer ${made(300)}` }), 401, 'key_unknown')
})

test('without a snapshot nobody is told 401, and preflights are answered', async () => {
  const empty = await startEdge({ queueUrl: queue.url })
  try {
    await isProblem(await post('/api/v1/events', EVENT, {}, empty), 503, 'snapshot_unavailable', '5')
    const asks = { origin: 'https://shop.example', 'access-control-request-method': 'POST' }
    const preflight = await fetch(`${empty.url}/v1/batch`, { method: 'OPTIONS', headers: asks })
    assert.equal(preflight.status, 204)
    assert.equal(preflight.headers.get('access-control-allow-origin'), '*')
    assert.equal(preflight.headers.get('access-control-max-age'), '86400')
    assert.match(preflight.headers.get('access-control-allow-headers'), /Authorization/)
    assert.equal(preflight.headers.get('access-control-allow-credentials'), null)
  } finally {
    await empty.close()
  }
})

test('a project may send as much as its tier, and others are not held up', async () => {
  const headers = { authorization: 'Bearer hw_w_small' }
  const statuses = []
  for (let sent = 0; sent < 2 * LIMITS[0] + 4; sent++) {
    const answer = await post('/api/v1/events', EVENT, headers)
    statuses.push(answer.status)
    if (answer.status === 429) await isProblem(answer, 429, 'rate_limited', '10')
  }
  assert.deepEqual(new Set(statuses), new Set([200, 429]))
  assert.ok(statuses.filter((status) => status === 200).length >= LIMITS[0])
  assert.equal((await post('/api/v1/events', EVENT)).status, 200)
})

test('bodies come compressed, in pieces, and labelled as anything', async () => {
  const text = JSON.stringify(EVENT)
  for (const headers of [{ 'content-encoding': 'gzip' }, {}, { 'content-type': 'text/plain' }]) {
    assert.equal((await post('/api/v1/events', gzipSync(text), headers)).status, 200)
  }
  async function* pieces() {
    for (const piece of text) yield Buffer.from(piece)
  }
  const streamed = await fetch(`${edge.url}/api/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}` },
    body: pieces(),
    duplex: 'half',
  })
  assert.equal(streamed.status, 200)
  assert.equal(queue.messages.length, 4)
})

/** Sends the beginning of a body and never its end; gives the answer. */
const begin = (headers, bytes) =>
  new Promise((resolve, reject) => {
    const options = { method: 'POST', headers: { authorization: `Bearer ${KEY}`, ...headers } }
    const sent = request(`${edge.url}/api/v1/events`, options, (response) => {
      response.setEncoding('utf8')
      response.on('data', (body) => {
        resolve(new Response(body, { status: response.statusCode, headers: response.headers }))
        sent.destroy()
      })
    })
    sent.on('error', reject)
    sent.write(Buffer.alloc(bytes, ' '))
  })

test('bodies are cut off where they are too large, announced or not', async () => {
  const limit = 2 * 1024 * 1024
  await isProblem(await begin({ 'content-length': limit + 1 }, 10), 413, 'body_too_large')
  await isProblem(await begin({}, limit + 1), 413, 'body_too_large')
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
  await isProblem(await post('/api/v1/events', bomb), 413, 'body_too_large')
  await isProblem(await post(`/api/v1/events?${'a=1&'.repeat(2_500)}`, EVENT), 414, 'uri_too_long')
})

test('the place is the one that the edge knows, and the address is not kept', async () => {
  const sender = { 'cf-connecting-ip': '203.0.113.7', 'user-agent': 'Mozilla/5.0' }
  await post('/api/v1/events', EVENT, sender)
  await post('/api/v1/events', EVENT, { ...sender, authorization: 'Bearer hw_w_ip' })
  const [plain, kept] = queue.messages.map(open)
  const { country, region, city, timezone } = CF
  assert.deepEqual(plain.geo, { country, region, city, timezone })
  assert.equal(plain.events[0].country, 'NL')
  assert.equal(plain.user_agent, 'Mozilla/5.0')
  assert.doesNotMatch(JSON.stringify(plain), /203\.0\.113/)
  assert.equal(kept.events[0].context.ip, '203.0.113.7')
})

test('a visitor without an id has the same one all day, from a salt that lies in KV until it is deleted', async () => {
  const from = (address) => ({ authorization: 'Bearer hw_w_quiet', 'cf-connecting-ip': address })
  for (const address of ['203.0.113.7', '203.0.113.7', '203.0.113.8']) {
    assert.equal((await post('/api/v1/events', { event: 'a' }, from(address))).status, 200)
  }
  const [one, same, other] = queue.messages.map((message) => open(message).events[0].anonymous_id)
  assert.match(one, /^v_[0-9a-f]{32}$/)
  assert.equal(one, same)
  assert.notEqual(one, other)
  const { keys } = await edge.store.list({ prefix: 'salt/' })
  const today = Math.floor(Date.now() / 86_400_000)
  const found = keys.find(({ name }) => name === `salt/${today}`)
  assert.ok(Math.abs(found.expiration - Date.now() / 1000 - 48 * 3600) < 120)
})

test('the cron writes the salt of the next day at noon, once', async () => {
  const worker = await edge.miniflare.getWorker()
  const noon = Date.parse('2031-05-06T12:00:00Z')
  const tomorrow = `salt/${Math.floor(noon / 86_400_000) + 1}`
  const run = () => worker.scheduled({ scheduledTime: new Date(noon), cron: '0 12 * * *' })
  await run()
  const salt = Buffer.from(await edge.store.get(tomorrow, 'arrayBuffer'))
  assert.equal(salt.length, 32)
  await run()
  assert.deepEqual(Buffer.from(await edge.store.get(tomorrow, 'arrayBuffer')), salt)
})

test('other paths and methods are named', async () => {
  await isProblem(await post('/api/v1/nothing', EVENT), 404, 'not_found')
  const get = await fetch(`${edge.url}/api/v1/events`)
  assert.equal(get.headers.get('allow'), 'POST, OPTIONS')
  await isProblem(get, 405, 'method_not_allowed')
})

test('nothing that anybody sends makes the Worker fail', async () => {
  // A small generator with a fixed seed (mulberry32), so that a failure can be repeated.
  let state = 20_261_120
  const random = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const pick = (list) => list[Math.floor(random() * list.length)]
  const paths = ['/api/v1/events', '/api/v1/events/batch', '/v1/batch', '/v1/track', '/v1/t', '/v1/b', '/v1/alias', '/%ff/\u2603']
  const seeds = [
    JSON.stringify({ batch: [EVENT, { type: 'identify', userId: 'u', traits: { a: [1, { b: null }] } }], sentAt: '2026-01-01' }),
    JSON.stringify({ type: 'track', event: 'ünïcödé \ud83d\ude00', anonymousId: 'a', timestamp: '2026-11-20T12:00:00Z' }),
    `{"event":"a","user_id":"u","properties":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
    '{"event":"\\ud800","user_id":1e999}',
    '[[],{},"",null,0]',
  ].map((text) => Buffer.from(text))
  for (let round = 0; round < 400; round++) {
    const body = Buffer.from(pick(seeds))
    const hits = Math.floor(random() * 6)
    for (let hit = 0; hit < hits; hit++) body[Math.floor(random() * body.length)] = Math.floor(random() * 256)
    const cut = random() < 0.2 ? body.subarray(0, Math.floor(random() * body.length)) : body
    const packed = random() < 0.2 ? gzipSync(cut) : cut
    if (packed !== cut && random() < 0.5) packed[Math.floor(random() * packed.length)] ^= 1 << Math.floor(random() * 8)
    const headers = pick([{}, { 'content-encoding': 'gzip' }, { 'user-agent': '\xff\xfe' }, { authorization: 'Basic ///' }])
    const answer = await post(pick(paths), packed, headers)
    const text = await answer.text()
    assert.ok(answer.status < 500, `${answer.status} for ${packed.toString('base64')}: ${text}`)
  }
})
