// A Worker that does one step of a request many times over: ?rounds=N&steps=S with the batch as the body.
import { work } from 'headwater-wasm'

export default {
  async fetch(request) {
    const { searchParams } = new URL(request.url)
    return new Response(String(work(await request.text(), Number(searchParams.get('rounds')), Number(searchParams.get('steps')))))
  },
}
