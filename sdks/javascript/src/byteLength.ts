/** Bytes of a text on the wire. */
export function byteLength(text: string): number {
  return new Blob([text]).size
}
