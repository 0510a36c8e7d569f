// Builds the script for the tag (dist/hw.js, committed, so that the collector can serve it) and the npm module.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build as bundle } from 'esbuild'

const root = import.meta.dirname
const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))

// The script shortens the names of what it remembers: nothing outside sees them, and names are much of its size.
const remembered = readFileSync(`${root}/src/state.ts`, 'utf8').split('interface State {')[1].matchAll(/^  (\w+)\??:/gm)
const ours = new RegExp(`^(${Array.from(remembered, ([, name]) => name).join('|')})$`)

const common = {
  absWorkingDir: root,
  bundle: true,
  target: ['es2021'],
  define: { VERSION: JSON.stringify(version) },
  charset: 'utf8',
}

/** Builds all of it into a folder. */
export async function build(folder) {
  const script = { entryPoints: ['src/script.ts'], format: 'iife', minify: true, mangleProps: ours }
  await bundle({ ...common, ...script, outfile: `${folder}/hw.js` })
  await bundle({ ...common, entryPoints: ['src/index.ts'], format: 'esm', outfile: `${folder}/headwater.js` })
  execFileSync(`${root}/node_modules/.bin/tsc`, ['-p', root, '--outDir', `${folder}/types`], { stdio: 'inherit' })
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await build(`${root}/dist`)
  const script = readFileSync(`${root}/dist/hw.js`)
  console.log(`dist/hw.js: ${script.length} bytes, ${gzipSync(script, { level: 9 }).length} gzipped`)
}
