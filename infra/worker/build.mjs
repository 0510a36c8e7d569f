// Makes the Worker of what cargo built: bindings, a smaller Wasm module, one script. No downloads.
//
// usage: node build.mjs WASM WASM_BINDGEN OUTPUT_FOLDER [ENTRY]
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync, mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

/** Cloudflare's free plan takes 3 MB; small modules start sooner, and this is what we hold ourselves to. */
const BUDGET_GZIPPED_BYTES = 400 * 1024

const root = import.meta.dirname
const [wasm, bindgen, output, entry = join(root, 'src/index.mjs')] = process.argv.slice(2).map((path) => resolve(path))
const bound = join(output, 'bound')
const run = (command, ...args) => execFileSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] })

/** What rustc may use; wasm-opt is to add nothing that an older engine does not have. */
const features = [
  ...['bulk-memory', 'bulk-memory-opt', 'call-indirect-overlong', 'multivalue', 'mutable-globals'],
  ...['nontrapping-float-to-int', 'reference-types', 'sign-ext'],
]

rmSync(output, { recursive: true, force: true })
mkdirSync(bound, { recursive: true })
run(
  bindgen,
  ...['--target', 'module', '--no-typescript', '--experimental-reset-state-function'],
  ...['--remove-producers-section', '--out-dir', bound, '--out-name', 'headwater', wasm],
)
run(
  process.execPath,
  join(root, 'node_modules/binaryen/bin/wasm-opt'),
  ...['-O3', ...features.map((name) => `--enable-${name}`), '--strip-debug', '--strip-producers'],
  ...[join(bound, 'headwater_bg.wasm'), '-o', join(output, 'headwater.wasm')],
)

// workerd has modules of Wasm as the default export of an import, not as a source phase import; and whoever waits is to
// hear of a trap.
const script = join(bound, 'headwater.js')
const guard = JSON.stringify(join(root, 'src/guard.mjs'))
let source = readFileSync(script, 'utf8')
for (const [expected, better] of [
  ['import source wasmModule from "./headwater_bg.wasm";', `import wasmModule from "./headwater.wasm";\nimport { guarded } from ${guard};`],
  ['wasm = wasmInstance.exports;', 'wasm = guarded(wasmInstance.exports);'],
]) {
  if (!source.includes(expected)) throw new Error(`wasm-bindgen no longer writes ${expected}`)
  source = source.replaceAll(expected, better)
}
writeFileSync(script, source)

await build({
  absWorkingDir: root,
  entryPoints: { index: entry },
  alias: { 'headwater-wasm': script },
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  external: ['./headwater.wasm', 'cloudflare:*'],
  outdir: output,
})
rmSync(bound, { recursive: true })

const files = ['headwater.wasm', 'index.js'].map((name) => readFileSync(join(output, name)))
const raw = files.reduce((bytes, file) => bytes + file.length, 0)
const gzipped = files.reduce((bytes, file) => bytes + gzipSync(file, { level: 9 }).length, 0)
writeFileSync(join(output, 'size.json'), JSON.stringify({ raw, gzipped, budget: BUDGET_GZIPPED_BYTES }) + '\n')
console.log(`the Worker has ${raw} bytes, ${gzipped} gzipped (budget ${BUDGET_GZIPPED_BYTES})`)
if (gzipped > BUDGET_GZIPPED_BYTES) {
  console.error('that is more than its budget')
  process.exit(1)
}
