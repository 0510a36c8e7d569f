// What surrounds the module, on a module that breaks when told to: nobody hangs, nobody is told to give up.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { build } from 'esbuild'

/** A module as wasm-bindgen makes it, which tells `globalThis.module` of its life. */
const FAKE = `
  const state = { criticalError: false }
  export const __worker_init_state = () => state
  export const __wbg_reset_state = () => globalThis.module.instances++
  export const fetch = (request) => globalThis.module.fetch(request, state)
  export const scheduled = () => globalThis.module.scheduled()
  export class Watchers {
    constructor() { globalThis.module.watchers++ }
    fetch() { return globalThis.module.instances }
  }
`

async function worker() {
  globalThis.module = { instances: 0, watchers: 0 }
  const fake = {
    name: 'fake',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^headwater-wasm$/ }, ({ path }) => ({ path, namespace: 'fake' }))
      onLoad({ filter: /.*/, namespace: 'fake' }, () => ({ contents: FAKE }))
    },
  }
  const entryPoints = [new URL('../src/index.mjs', import.meta.url).pathname]
  const { outputFiles } = await build({ entryPoints, bundle: true, format: 'esm', write: false, plugins: [fake] })
  // A comment makes each one a module of its own.
  const source = `${outputFiles[0].text}\n// ${Math.random()}`
  return import(`data:text/javascript;base64,${Buffer.from(source).toString('base64')}`)
}

async function isTryAgain(answer) {
  const { status, code } = await answer.json()
  assert.deepEqual([answer.status, status, code], [503, 503, 'internal'])
  assert.equal(answer.headers.get('retry-after'), '5')
  assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  assert.equal(answer.headers.get('access-control-allow-origin'), '*')
}

console.error = () => {}

test('a panic answers every request that waits, and the next one meets a fresh instance', async () => {
  const { default: shim, Watchers } = await worker()
  const watchers = new Watchers()
  assert.equal(watchers.fetch(), 0)
  let state
  globalThis.module.fetch = (_, given) => ((state = given), new Promise(() => {}))
  const waiting = [shim.fetch(), shim.fetch()]
  await Promise.resolve()
  state.criticalError = true
  for (const answer of await Promise.all(waiting)) await isTryAgain(answer)
  assert.equal(globalThis.module.instances, 0)
  globalThis.module.fetch = async () => 'taken'
  assert.equal(await shim.fetch(), 'taken')
  assert.equal(globalThis.module.instances, 1)
  assert.equal(watchers.fetch(), 1)
  assert.equal(globalThis.module.watchers, 2)
  assert.equal(await shim.fetch(), 'taken')
  assert.equal(globalThis.module.instances, 1)
})

test('a trap is a 503 too, and an error of one request is no matter for others', async () => {
  const { default: shim } = await worker()
  globalThis.module.fetch = async () => {
    throw new WebAssembly.RuntimeError('unreachable')
  }
  await isTryAgain(await shim.fetch())
  globalThis.module.fetch = async () => {
    throw new Error('no such binding')
  }
  await isTryAgain(await shim.fetch())
  assert.equal(globalThis.module.instances, 1)
  globalThis.module.fetch = async () => 'taken'
  assert.equal(await shim.fetch(), 'taken')
  assert.equal(globalThis.module.instances, 1)
})
