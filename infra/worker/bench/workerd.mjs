// workerd as it is, without the Workers that Miniflare puts around one's own.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'

const root = new URL('..', import.meta.url).pathname
const TICKS_A_SECOND = 100

async function freePort() {
  const server = createServer()
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address()
  await new Promise((closed) => server.close(closed))
  return port
}

/** Text as Cap'n Proto has it. */
const text = (value) => JSON.stringify(value)

/** Starts a Worker of modules by name (files below `infra/worker`, or their source), with text bindings. */
export async function startWorkerd(modules, bindings = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'headwater-workerd-'))
  const port = await freePort()
  const entries = Object.entries(modules).map(([name, source], place) => {
    const file = join(folder, String(place))
    writeFileSync(file, source ?? readFileSync(join(root, name)))
    return `(name = ${text(name)}, ${name.endsWith('.wasm') ? 'wasm' : 'esModule'} = embed ${text(String(place))})`
  })
  const bound = Object.entries(bindings).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`)
  writeFileSync(
    join(folder, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
     const config :Workerd.Config = (
       services = [(name = "main", worker = .main), (name = "internet", network = (allow = ["private"]))],
       sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
     );
     const main :Workerd.Worker = (
       modules = [${entries}], bindings = [${bound}], compatibilityDate = "2026-11-01",
     );`,
  )
  const command = join(root, 'node_modules/workerd/bin/workerd')
  const child = spawn(command, ['serve', 'config.capnp'], { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] })
  const url = `http://127.0.0.1:${port}`
  for (;;) {
    const answer = await request(url, { method: 'OPTIONS' }).catch(() => undefined)
    if (answer) {
      await answer.body.dump()
      break
    }
    if (child.exitCode !== null) throw new Error(`workerd ended with ${child.exitCode}`)
    await new Promise((again) => setTimeout(again, 5))
  }
  return {
    url,
    /** Seconds that it has computed, all threads together. */
    cpu() {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ')
      return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND
    },
    async close() {
      const ended = new Promise((exit) => child.on('exit', exit))
      child.kill('SIGTERM')
      await ended
      rmSync(folder, { recursive: true })
    },
  }
}
