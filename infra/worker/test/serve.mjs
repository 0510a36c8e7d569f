// The built Worker in Miniflare for tests in other languages, until standard input ends.
//
// The first line of standard input says what to start: {"projects": [...], "queue_url"?, "vars"?, "cf"?}. Without a
// queue's URL it starts one that keeps everything. Standard output gets one line: {"edge", "queue"}, two URLs.
import { createInterface } from 'node:readline'
import { startEdge } from './edge.mjs'
import { startQueue } from './queue.mjs'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const { projects, queue_url, vars, cf } = JSON.parse((await lines.next()).value)
const queue = queue_url ? undefined : await startQueue()
const edge = await startEdge({
  queueUrl: queue_url ?? queue.url,
  vars,
  cf,
  log: ({ message }) => console.error(message),
})
await edge.projects(...projects)
console.log(JSON.stringify({ edge: edge.url, queue: queue_url ?? queue.url }))

while (!(await lines.next()).done);
await edge.close()
await queue?.close()
