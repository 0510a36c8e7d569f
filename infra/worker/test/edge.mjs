// The built Worker in Miniflare, with its bindings.
import { createHash } from 'node:crypto'
import { Miniflare, convertV4MiniflareOptions } from 'miniflare'

export const KEY = 'hw_w_test_write_key'
const dist = new URL('../dist/', import.meta.url).pathname

/** A key of the snapshot. */
export const key = (text, more = {}) => ({
  id: 'write',
  sha256: createHash('sha256').update(text).digest('hex'),
  scopes: ['write'],
  ...more,
})

/** Starts the Worker on a free port. `limits` are of the three tiers, in requests per 10 seconds. */
export async function startEdge({ queueUrl, vars = {}, cf = {}, limits = [1000, 20000, 500000], log } = {}) {
  const rate = (limit, number) => ({ namespace_id: String(number), simple: { limit, period: 10 } })
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      modules: [
        { type: 'ESModule', path: `${dist}index.js` },
        { type: 'CompiledWasm', path: `${dist}headwater.wasm` },
      ],
      modulesRoot: dist,
      compatibilityDate: '2026-11-01',
      cf,
      telemetry: { enabled: false },
      handleStructuredLogs: log ?? (() => {}),
      kvNamespaces: ['HEADWATER'],
      durableObjects: { WATCHERS: { className: 'Watchers', useSQLite: true } },
      ratelimits: { RATE_SMALL: rate(limits[0], 1), RATE_MEDIUM: rate(limits[1], 2), RATE_LARGE: rate(limits[2], 3) },
      bindings: {
        SQS_QUEUE_URL: queueUrl,
        SQS_REGION: 'eu-central-1',
        AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
        AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
        ...vars,
      },
    }),
  )
  const store = await miniflare.getKVNamespace('HEADWATER')
  return {
    url: (await miniflare.ready).origin,
    miniflare,
    store,
    /** Writes the snapshot. */
    projects: (...projects) => store.put('projects.json', JSON.stringify({ version: 1, projects })),
    close: () => miniflare.dispose(),
  }
}
