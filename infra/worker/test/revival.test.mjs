// What surrounds the module, on a module that breaks when told to: nobody hangs, nobody is told to give up.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { build } from 'esbuild'
import { guarded, onTrap } from '../src/guard.mjs'

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

test('a trap is told to whoever listens, wherever it happens, and goes on its way', () => {
  const heard = []
  onTrap((error) => heard.push(error))
  const trap = new WebAssembly.RuntimeError('unreachable')
  const breaks = () => {
    throw trap
  }
  const memory = {}
  const module = guarded({ memory, fetch: breaks, wasm_bindgen__convert__closures_invoke: breaks, add: (a, b) => a + b })
  assert.throws(() => module.fetch(), trap)
  assert.throws(() => module.wasm_bindgen__convert__closures_invoke(1, 2), trap)
  assert.deepEqual(heard, [trap, trap])
  assert.deepEqual([module.memory === memory, module.add(1, 2)], [true, 3])
})

test('an error of one request is a 503, and no matter for others', async () => {
  const { default: shim } = await worker()
  globalThis.module.fetch = async () => {
    throw new Error('no such binding')
  }
  await isTryAgain(await shim.fetch())
  globalThis.module.fetch = async () => 'taken'
  assert.equal(await shim.fetch(), 'taken')
  assert.equal(globalThis.module.instances, 0)
})
