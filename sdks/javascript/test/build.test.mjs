// What is built: small, committed as it is built, and the same functions from npm.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { build } from '../build.mjs'

/** The budget: 2.0 kB. */
const MOST_BYTES = 2_000

const root = new URL('..', import.meta.url).pathname
const site = mkdtempSync(`${tmpdir()}/headwater-`)
const installed = `${site}/node_modules/@headwater/browser`
after(() => rmSync(site, { recursive: true }))
mkdirSync(installed, { recursive: true })
copyFileSync(`${root}/package.json`, `${installed}/package.json`)
await build(`${installed}/dist`)
const script = readFileSync(`${installed}/dist/hw.js`)

test('the script is small', () => {
  const bytes = gzipSync(script, { level: 9 }).length
  assert.ok(bytes <= MOST_BYTES, `${bytes} bytes gzipped, and the budget is ${MOST_BYTES}`)
})

test('the committed script, which the collector serves, is what the source gives', () => {
  assert.ok(script.equals(readFileSync(`${root}/dist/hw.js`)), 'run `npm run build` and commit dist/hw.js')
})

test('the npm module has the same functions, and may be loaded where there is no browser', () => {
  const server = `import * as headwater from '@headwater/browser'
    headwater.track('on a server')
    await headwater.flush()
    console.log(Object.keys(headwater).join())`
  writeFileSync(`${site}/server.mjs`, server)
  const said = execFileSync(process.execPath, [`${site}/server.mjs`], { encoding: 'utf8' })
  assert.equal(said, 'flush,group,identify,init,page,reset,track\n')
})

test('its types hold', () => {
  const page = `import { flush, identify, init, track, type Options } from '@headwater/browser'
    const options: Options = { key: 'hw_w_test', host: 'https://events.example', persist: true }
    init(options)
    track('Signed Up', { plan: 'pro' })
    identify('ada')
    void flush().then(() => {})
    // @ts-expect-error a host is needed
    init({ key: 'hw_w_test' })
    // @ts-expect-error an event needs a name
    track({ plan: 'pro' })`
  writeFileSync(`${site}/page.mts`, page)
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--lib', 'es2022,dom', '--types', '', 'page.mts']
  execFileSync(`${root}/node_modules/.bin/tsc`, options, { cwd: site, encoding: 'utf8', stdio: 'pipe' })
})

test('a source file is one function, by its name', () => {
  const lists = ['index.ts', 'limits.ts', 'options.ts', 'script.ts', 'state.ts']
  for (const file of readdirSync(`${root}/src`).filter((file) => !lists.includes(file))) {
    const source = readFileSync(`${root}/src/${file}`, 'utf8')
    const exported = [...source.matchAll(/^export (?:async )?(?:function|const) (\w+)/gm)].map(([, name]) => name)
    assert.deepEqual(exported, [file.replace('.ts', '')])
  }
})
