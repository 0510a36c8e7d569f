import { capture } from './capture'
import { command } from './command'
import type { Properties } from './options'

/** The page was seen. Pages count themselves, unless `pages` is off. A name stands in place of `page` in questions. */
export const page = command((name?: string, properties?: Properties) => capture({ type: 'page', event: name, properties }))
