import { capture } from './capture.js'
import { command } from './command.js'
import type { Properties } from './options.js'

/** Something happened: `track('Signed Up', { plan: 'pro' })`. */
export const track = command((event: string, properties?: Properties) => capture({ event, properties }))
