// A gate in front of the collector: passes everything on, knows what came through, and can lose answers.
import { createServer, request as ask } from 'node:http'

/** Opens a gate to a collector, on a loopback port of its own. */
export async function openGate(collector) {
  const passed = []
  const waiting = []
  const gate = {
    /** Requests that were answered: method, path, headers, body as text, and the answer's status. */
    passed,
    /** Answers that the collector gives and that the client never gets. */
    losesAnswers: 0,
    /** Resolves once a request that fits has been answered. */
    async until(what, fits) {
      const deadline = AbortSignal.timeout(15_000)
      while (!passed.some(fits)) {
        if (deadline.aborted) throw Error(`${what} did not come: ${JSON.stringify(passed.map(({ path, body }) => [path, body]))}`)
        await new Promise((resolve) => {
          waiting.push(resolve)
          deadline.addEventListener('abort', resolve)
        })
      }
    },
    close: () => server.close(),
  }
  const server = createServer(async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const { method, url: path, headers } = request
    const onward = ask(new URL(path, collector), { method, headers }, async (answer) => {
      const parts = []
      for await (const part of answer) parts.push(part)
      if (method === 'POST' && gate.losesAnswers > 0) {
        gate.losesAnswers--
        response.destroy()
      } else {
        response.writeHead(answer.statusCode, answer.headers).end(Buffer.concat(parts))
      }
      passed.push({ method, path, headers, body: body.toString(), status: answer.statusCode })
      for (const wake of waiting.splice(0)) wake()
    })
    onward.on('error', () => response.destroy())
    onward.end(body)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  gate.url = `http://127.0.0.1:${server.address().port}`
  return gate
}
