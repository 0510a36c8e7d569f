import { send } from './send.js'
import { state } from './state.js'

/** Sends what waits, now. Resolves when all is sent, or when the collector has to be given time. Never rejects. */
export async function flush(): Promise<void> {
  while (await (state.sending ??= send().finally(() => (state.sending = undefined))));
}
