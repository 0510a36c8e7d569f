// Serves the example page: `npm run example -- http://127.0.0.1:8080 hw_w_...`. Whatever the path, it is the same page.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { pathToFileURL } from 'node:url'

/** Starts it on a loopback port (0: any); gives the server. `more` are further attributes of the script tag. */
export async function serve(collector, key, { port = 0, more = '' } = {}) {
  const escape = (text) => text.replace(/[&"<]/g, (character) => `&#${character.charCodeAt(0)};`)
  const values = { HOST: escape(collector), KEY: escape(key), MORE: more && ` ${more}` }
  const template = await readFile(new URL('index.html', import.meta.url), 'utf8')
  const page = template.replace(/\{\{(\w+)\}\}/g, (_, name) => values[name])
  const server = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache' }).end(page)
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  return server
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [collector, key] = process.argv.slice(2)
  if (!collector || !key) {
    console.error('usage: npm run example -- COLLECTOR WRITE_KEY, as in: npm run example -- http://127.0.0.1:8080 hw_w_...')
    process.exit(1)
  }
  const server = await serve(collector.replace(/\/$/, ''), key, { port: Number(process.env.PORT ?? 8000) })
  console.log(`http://127.0.0.1:${server.address().port}`)
}
