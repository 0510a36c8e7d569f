// Builds the script for the tag (hw.js, committed, so that the collector can serve it) and the npm module.
import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { pathToFileURL } from 'node:url'
import { build as bundle } from 'esbuild'

const root = import.meta.dirname
const { version } = JSON.parse(await readFile(`${root}/package.json`, 'utf8'))
// Names of `src/state.ts` only: nothing outside the script sees them.
const ours = /^(settings|optedOut|person|early|calledAt|queue|sending|timer|failures|seen|cameFrom|warned)$/
const common = {
  absWorkingDir: root,
  bundle: true,
  target: ['es2021'],
  define: { VERSION: JSON.stringify(version) },
  charset: 'utf8',
  legalComments: 'none',
}

/** Builds both into a folder. */
export async function build(folder) {
  await bundle({ ...common, entryPoints: ['src/script.ts'], format: 'iife', minify: true, mangleProps: ours, outfile: `${folder}/hw.js` })
  await bundle({ ...common, entryPoints: ['src/index.ts'], format: 'esm', outfile: `${folder}/headwater.js` })
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await build(`${root}/dist`)
  const script = await readFile(`${root}/dist/hw.js`)
  console.log(`dist/hw.js: ${script.length} bytes, ${gzipSync(script, { level: 9 }).length} gzipped`)
}
