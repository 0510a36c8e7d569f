// A queue for tests: an HTTP server that speaks SendMessageBatch, keeps what it took, and fails when told to.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { inflateRawSync } from 'node:zlib'

/**
 * Starts it on a free port. `faults` holds what the next requests meet, the first one first. `GET` of its URL gives the
 * texts of the messages that it took, and forgets them.
 */
export async function startQueue() {
  const queue = { requests: [], messages: [], faults: [] }
  const server = createServer(async (request, response) => {
    const pieces = []
    for await (const piece of request) pieces.push(piece)
    const body = Buffer.concat(pieces).toString()
    const { headers, method, url } = request
    if (method === 'GET') {
      return response.end(JSON.stringify(queue.messages.splice(0).map(({ MessageBody }) => MessageBody)))
    }
    queue.requests.push({ method, url, headers, body })
    const fault = queue.faults.shift() ?? {}
    if (fault.silent) return
    const answer = fault.body ?? take(queue, JSON.parse(body), fault)
    response.writeHead(fault.status ?? 200, { 'content-type': 'application/x-amz-json-1.0' })
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
  })
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  queue.url = `http://127.0.0.1:${server.address().port}/000000000000/events`
  queue.close = () => {
    server.closeAllConnections()
    return new Promise((closed) => server.close(closed))
  }
  return queue
}

function take(queue, { QueueUrl, Entries }, { status, fail = [] }) {
  const Successful = []
  const Failed = []
  for (const { Id, MessageBody, MessageAttributes } of Entries) {
    if (status || fail.includes(Id)) {
      Failed.push({ Id, Code: 'InternalError', SenderFault: false, Message: 'told to' })
    } else {
      queue.messages.push({ QueueUrl, MessageBody, MessageAttributes })
      const MD5OfMessageBody = createHash('md5').update(MessageBody).digest('hex')
      Successful.push({ Id, MessageId: crypto.randomUUID(), MD5OfMessageBody })
    }
  }
  return status ? { __type: 'com.amazonaws.sqs#InternalError' } : { Successful, Failed }
}

/** The envelope in a message. */
export function open({ MessageBody }) {
  const bytes = Buffer.from(MessageBody, 'base64')
  if (bytes[0] >> 4 !== 1) throw new Error(`envelope version ${bytes[0] >> 4}`)
  const json = bytes[0] & 1 ? inflateRawSync(bytes.subarray(1)) : bytes.subarray(1)
  return JSON.parse(json)
}
