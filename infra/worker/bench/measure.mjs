// Measures the built Worker in workerd and prints the figures as JSON: what it weighs, what it costs to start, what a
// request and an event cost. Times are of workerd's processor, whatever else runs on the machine; its own clock stands
// still while it works.
//
// Standard input: {"one", "fifty"}, the bodies of a request with one and with fifty events.
import { readFileSync, readdirSync } from 'node:fs'
import { Miniflare, convertV4MiniflareOptions } from 'miniflare'
import { Agent, request } from 'undici'
import { KEY, key, startEdge } from '../test/edge.mjs'
import { startQueue } from '../test/queue.mjs'

const root = new URL('..', import.meta.url).pathname
const bodies = JSON.parse(readFileSync(0, 'utf8'))
const BATCH = 50
const CONNECTIONS = 16
const TICKS_A_SECOND = 100
const agent = new Agent({ connections: CONNECTIONS })

/** The workerd that this process has started last. */
function workerd() {
  const threads = readdirSync('/proc/self/task')
  const children = threads.flatMap((id) => readFileSync(`/proc/self/task/${id}/children`, 'utf8').split(' '))
  return children
    .filter((pid) => pid && readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('workerd'))
    .map(Number)
    .sort((a, b) => a - b)
    .at(-1)
}

/** Seconds that it has computed, all threads together. */
function cpu(pid = workerd()) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND
}

async function post(url, body, headers = {}) {
  const answer = await request(url, { method: 'POST', body, headers, dispatcher: agent })
  const text = await answer.body.text()
  if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}: ${text}`)
  return text
}

/** Microseconds of workerd a request. */
async function load(url, body, requests) {
  const headers = { authorization: `Bearer ${KEY}` }
  const send = async (count) => {
    let left = count
    const connection = async () => {
      while (left-- > 0) await post(url, body, headers)
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, connection))
  }
  await send(Math.ceil(requests / 4))
  const before = cpu()
  await send(requests)
  return ((cpu() - before) / requests) * 1e6
}

const simple = (options) =>
  new Miniflare(
    convertV4MiniflareOptions({ host: '127.0.0.1', port: 0, compatibilityDate: '2026-11-01', cf: {}, telemetry: { enabled: false }, ...options }),
  )

const empty = () =>
  simple({ modules: true, script: "export default { fetch: async (request) => (await request.text(), new Response('{}')) }" })

const dist = (folder) => ({
  modulesRoot: folder,
  modules: [
    { type: 'ESModule', path: `${folder}index.js` },
    { type: 'CompiledWasm', path: `${folder}headwater.wasm` },
  ],
})

/** Milliseconds of workerd from its start to the first answer; the median of several. */
async function start(open) {
  const times = []
  for (let round = 0; round < 7; round++) {
    const { url, close } = await open()
    await (await request(url, { method: 'OPTIONS', dispatcher: agent })).body.dump()
    times.push(cpu() * 1e3)
    await close()
  }
  return times.sort((a, b) => a - b)[3]
}

const opened = async (miniflare) => ({ url: (await miniflare.ready).origin, close: () => miniflare.dispose() })

async function steps() {
  const { url, close } = await opened(simple(dist(`${root}dist/speed/`)))
  const rounds = 1_500
  // The best of several: what else runs on the machine only ever adds.
  const micros = async (steps, body) => {
    const times = []
    for (let sample = 0; sample < 8; sample++) {
      const before = cpu()
      await post(`${url}/?rounds=${rounds}&steps=${steps}`, body)
      times.push(((cpu() - before) / rounds) * 1e6)
    }
    return Math.min(...times)
  }
  const [collect, pack, sign] = [await micros(1, bodies.fifty), await micros(2, bodies.fifty), await micros(3, bodies.fifty)]
  await close()
  return {
    collect_micros_an_event: collect / BATCH,
    pack_micros_an_event: (pack - collect) / BATCH,
    sign_micros_a_request: sign - pack,
  }
}

async function requests() {
  const queue = await startQueue()
  const projects = [{ id: 'shop', keys: [key(KEY)] }]
  const miniflare = simple({
    modulesRoot: root,
    modules: [
      { type: 'ESModule', path: `${root}bench/request.mjs` },
      { type: 'ESModule', path: `${root}dist/index.js` },
      { type: 'CompiledWasm', path: `${root}dist/headwater.wasm` },
    ],
    bindings: {
      PROJECTS: JSON.stringify({ version: 1, projects }),
      SQS_QUEUE_URL: queue.url,
      SQS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    },
  })
  const { url, close } = await opened(miniflare)
  const one = await load(`${url}/api/v1/events/batch`, bodies.one, 4_000)
  const fifty = await load(`${url}/api/v1/events/batch`, bodies.fifty, 1_000)
  await close()
  await queue.close()
  const nothing = await opened(empty())
  const baseline = await load(nothing.url, bodies.one, 4_000)
  await nothing.close()
  return { one_micros: one, fifty_micros: fifty, empty_micros: baseline }
}

const { raw, gzipped } = JSON.parse(readFileSync(`${root}dist/size.json`, 'utf8'))
const figures = {
  raw_bytes: raw,
  gzipped_bytes: gzipped,
  ...(await steps()),
  ...(await requests()),
  start_millis: await start(() => startEdge({ queueUrl: 'http://127.0.0.1:9/0/events' })),
  start_empty_millis: await start(() => opened(empty())),
}
await agent.close()
console.log(JSON.stringify(figures))
