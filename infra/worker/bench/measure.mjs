// Measures the built Worker in workerd and prints the figures as JSON: what it weighs, what it costs to start, what a
// request and an event cost. Times are of workerd's processor, whatever else runs on the machine; its own clock stands
// still while it works.
//
// Standard input: {"one", "fifty"}, the bodies of a request with one and with fifty events.
import { readFileSync } from 'node:fs'
import { Agent, request } from 'undici'
import { KEY, key } from '../test/edge.mjs'
import { startQueue } from '../test/queue.mjs'
import { startWorkerd } from './workerd.mjs'

const root = new URL('..', import.meta.url).pathname
const bodies = JSON.parse(readFileSync(0, 'utf8'))
const BATCH = 50
const CONNECTIONS = 16
const agent = new Agent({ connections: CONNECTIONS })

const WORKER = { 'bench/request.mjs': undefined, 'dist/index.js': undefined, 'dist/headwater.wasm': undefined }
const STEPS = { 'dist/speed/index.js': undefined, 'dist/speed/headwater.wasm': undefined }
const EMPTY = { 'empty.mjs': "export default { fetch: async (request) => (await request.text(), new Response('{}')) }" }

const bindings = (queueUrl) => ({
  PROJECTS: JSON.stringify({ version: 1, projects: [{ id: 'shop', keys: [key(KEY)] }] }),
  SQS_QUEUE_URL: queueUrl,
  SQS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
})

async function post(url, body, headers = {}) {
  const answer = await request(url, { method: 'POST', body, headers, dispatcher: agent })
  const text = await answer.body.text()
  if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}: ${text}`)
}

/** The best of several: what else runs on the machine only ever adds. */
async function best(samples, measure) {
  const times = []
  for (let sample = 0; sample < samples; sample++) times.push(await measure())
  return Math.min(...times)
}

/** Microseconds of workerd a request. */
async function load({ url, cpu }, body, requests) {
  const headers = { authorization: `Bearer ${KEY}` }
  return best(4, async () => {
    let left = requests
    const connection = async () => {
      while (left-- > 0) await post(`${url}/api/v1/events/batch`, body, headers)
    }
    const before = cpu()
    await Promise.all(Array.from({ length: CONNECTIONS }, connection))
    return ((cpu() - before) / requests) * 1e6
  })
}

/** Milliseconds of workerd from its start to the first answer. */
const start = (modules, texts) =>
  best(5, async () => {
    const { cpu, close } = await startWorkerd(modules, texts)
    const millis = cpu() * 1e3
    await close()
    return millis
  })

async function steps() {
  const { url, cpu, close } = await startWorkerd(STEPS)
  const rounds = 1_500
  const micros = (steps) =>
    best(8, async () => {
      const before = cpu()
      await post(`${url}/?rounds=${rounds}&steps=${steps}`, bodies.fifty)
      return ((cpu() - before) / rounds) * 1e6
    })
  const [decode, collect, pack, sign] = [await micros(0), await micros(1), await micros(2), await micros(3)]
  await close()
  return {
    decode_micros_an_event: decode / BATCH,
    collect_micros_an_event: (collect - decode) / BATCH,
    pack_micros_an_event: (pack - collect) / BATCH,
    sign_micros_a_request: sign - pack,
  }
}

async function requests() {
  const queue = await startQueue()
  const worker = await startWorkerd(WORKER, bindings(queue.url))
  const one = await load(worker, bodies.one, 2_000)
  const fifty = await load(worker, bodies.fifty, 500)
  await worker.close()
  await queue.close()
  const nothing = await startWorkerd(EMPTY)
  const empty = await load(nothing, bodies.one, 2_000)
  await nothing.close()
  return { one_micros: one, fifty_micros: fifty, empty_micros: empty }
}

const { raw, gzipped } = JSON.parse(readFileSync(`${root}dist/size.json`, 'utf8'))
const figures = {
  raw_bytes: raw,
  gzipped_bytes: gzipped,
  ...(await steps()),
  ...(await requests()),
  start_millis: await start(WORKER, bindings('http://127.0.0.1:9/0/events')),
  start_empty_millis: await start(EMPTY),
}
await agent.close()
console.log(JSON.stringify(figures))
