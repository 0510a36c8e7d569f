/**
 * A random id in the shape of UUIDv7, so that ids of one time lie together where they are stored.
 *
 * Not `crypto.randomUUID`: browsers have it only on pages with TLS.
 */
export function newId(): string {
  const random = Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => (byte + 256).toString(16).slice(1)).join('')
  return `0${Date.now().toString(16)}7${random.slice(0, 3)}8${random.slice(3)}`
}
