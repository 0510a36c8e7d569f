import { state } from './state.js'

/**
 * Where a batch goes, and its body. The key stands in the body, and the body is sent as plain text: so a browser asks
 * the collector nothing beforehand (no CORS preflight).
 */
export function request(batch: string[]): [url: string, body: string] {
  const { host, key } = state.settings!
  const body = JSON.stringify({ write_key: key, sent_at: new Date() }).slice(0, -1) + `,"batch":[${batch}]}`
  return [host.replace(/\/$/, '') + '/api/v1/events/batch', body]
}
