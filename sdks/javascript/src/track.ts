import { capture } from './capture'
import { command } from './command'
import type { Properties } from './options'

/** Something happened: `track('Signed Up', { plan: 'pro' })`. */
export const track = command((event: string, properties?: Properties) => capture({ event, properties }))
