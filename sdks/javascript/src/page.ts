import { capture } from './capture.js'
import { command } from './command.js'
import type { Properties } from './options.js'

/** The page was seen. Pages count themselves, unless `pages` is off. A name stands in place of `page` in questions. */
export const page = command((name?: string, properties?: Properties) => capture({ type: 'page', event: name, properties }))
