// The live stream: who may watch, what they see, and that nothing is sent while nobody watches.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { WebSocket } from 'undici'
import { KEY, key, startEdge } from './edge.mjs'
import { startQueue } from './queue.mjs'

const READ = 'hw_r_read'
let queue

before(async () => {
  queue = await startQueue()
})

after(() => queue?.close())

/** An edge of its own for each test: an isolate remembers for half a minute that nobody watched. */
async function withEdge(check) {
  const edge = await startEdge({ queueUrl: queue.url })
  try {
    await edge.projects(
      { id: 'shop', keys: [key(KEY), key(READ, { id: 'read', scopes: ['read'] })] },
      { id: 'other', keys: [key('hw_w_other'), key('hw_r_other', { id: 'read', scopes: ['read'] })] },
    )
    await check(edge)
  } finally {
    await edge.close()
  }
}

const post = (edge, batch, by = KEY) =>
  fetch(`${edge.url}/api/v1/events/batch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${by}` },
    body: JSON.stringify({ batch }),
  })

const event = (name, more = {}) => ({ event: name, user_id: 'u1', ...more })
const base64url = (text) => Buffer.from(text).toString('base64url')

/** Connects as browsers do, with the key as a subprotocol; gives what comes, message by message. */
async function watch(edge, query = '', by = READ) {
  const socket = new WebSocket(`${edge.url.replace('http', 'ws')}/api/v1/live${query}`, [
    'headwater.live.v1',
    `headwater.key.${base64url(by)}`,
  ])
  const came = []
  let wake = () => {}
  const note = (message) => {
    came.push(message)
    wake()
  }
  socket.addEventListener('message', ({ data }) => note(data))
  socket.addEventListener('close', ({ code }) => note({ closed: code }))
  socket.addEventListener('error', () => note({ failed: true }))
  const next = async () => {
    while (came.length === 0) await new Promise((woken) => (wake = woken))
    const message = came.shift()
    return typeof message === 'string' && message.startsWith('{') ? JSON.parse(message) : message
  }
  return { socket, next, waiting: came }
}

/** The answer to a request that is not let in: what an upgrade would get, by hand. */
async function refused(edge, headers, path = '/api/v1/live') {
  const answer = await edge.miniflare.dispatchFetch(edge.url + path, { headers: { upgrade: 'websocket', ...headers } })
  return [answer.status, (await answer.json()).code]
}

test('a watcher sees what is taken and what is refused, as the filter says', () =>
  withEdge(async (edge) => {
    const all = await watch(edge)
    const hello = await all.next()
    assert.deepEqual([hello.kind, hello.version, hello.project, hello.filter], ['hello', 1, 'shop', {}])
    assert.equal(all.socket.protocol, 'headwater.live.v1')
    const rejected = await watch(edge, '?outcome=rejected')
    assert.deepEqual((await rejected.next()).filter, { outcome: 'rejected' })
    const other = await watch(edge, '', 'hw_r_other')
    assert.equal((await other.next()).project, 'other')

    assert.equal((await post(edge, [event('a'), event('b'), { user_id: 'u1' }])).status, 200)
    const { kind, events, omitted } = await all.next()
    assert.deepEqual([kind, omitted], ['events', 0])
    assert.deepEqual(
      events.map(({ event, outcome, reason }) => [event, outcome, reason]),
      [
        ['a', 'accepted', undefined],
        ['b', 'accepted', undefined],
        [undefined, 'rejected', 'event_name_missing'],
      ],
    )
    const few = await rejected.next()
    assert.deepEqual(few.events.map(({ position }) => position), [2])
    assert.deepEqual(other.waiting, [])
  }))

test('ten events a second are shown and the others counted', () =>
  withEdge(async (edge) => {
    const watcher = await watch(edge, '?event=shown')
    await watcher.next()
    const names = Array.from({ length: 60 }, (_, number) => event(number % 2 ? 'shown' : 'not asked for'))
    await post(edge, names)
    const first = await watcher.next()
    assert.equal(first.events.length, 10)
    await new Promise((later) => setTimeout(later, 1_000))
    await post(edge, [event('shown')])
    const second = await watcher.next()
    assert.equal(second.events.length, 1)
    assert.equal(first.omitted + second.omitted, 20)
  }))

test('the flag is up while somebody watches, and nothing is sent without it', () =>
  withEdge(async (edge) => {
    const flag = () => edge.store.get('live/shop')
    assert.equal(await flag(), null)
    const one = await watch(edge, '?event=a')
    await one.next()
    const two = await watch(edge, '?user=u2')
    await two.next()
    const { filters } = JSON.parse(await flag())
    assert.deepEqual(new Set(filters.map((filter) => JSON.stringify(filter))), new Set(['{"event":["a"]}', '{"user":["u2"]}']))
    const { keys } = await edge.store.list({ prefix: 'live/' })
    assert.ok(keys[0].expiration - Date.now() / 1000 <= 61)
    one.socket.close()
    assert.deepEqual(await one.next(), { closed: 1005 })
    const settled = async (wanted) => {
      for (let tries = 0; tries < 100 && (await flag()) !== wanted; tries++) await new Promise((on) => setTimeout(on, 20))
      assert.equal(await flag(), wanted)
    }
    await settled('{"filters":[{"user":["u2"]}]}')
    two.socket.close()
    await two.next()
    await settled(null)
  }))

test('a ping is answered, and a watcher who sends too much is sent away', () =>
  withEdge(async (edge) => {
    const watcher = await watch(edge)
    await watcher.next()
    watcher.socket.send('ping')
    assert.equal(await watcher.next(), 'pong')
    watcher.socket.send('passed over')
    watcher.socket.send('x'.repeat(2_000))
    assert.deepEqual(await watcher.next(), { closed: 1009 })
  }))

test('whoever may not watch is told so before the upgrade', () =>
  withEdge(async (edge) => {
    const by = (token) => ({ authorization: `Bearer ${token}` })
    assert.deepEqual(await refused(edge, {}), [401, 'key_missing'])
    assert.deepEqual(await refused(edge, by('nobody')), [401, 'key_unknown'])
    assert.deepEqual(await refused(edge, by(KEY)), [403, 'scope_missing'])
    assert.deepEqual(await refused(edge, by(READ), '/api/v1/live?colour=red'), [400, 'invalid_question'])
    const plain = await fetch(`${edge.url}/api/v1/live`, { headers: by(READ) })
    assert.deepEqual([plain.status, (await plain.json()).code], [426, 'upgrade_required'])
    const posted = await fetch(`${edge.url}/api/v1/live`, { method: 'POST', headers: by(READ) })
    assert.deepEqual([posted.status, posted.headers.get('allow')], [405, 'GET'])
    const watchers = await Promise.all(Array.from({ length: 20 }, () => watch(edge)))
    for (const watcher of watchers) assert.equal((await watcher.next()).kind, 'hello')
    assert.deepEqual(await refused(edge, by(READ)), [429, 'too_many_watchers'])
  }))
