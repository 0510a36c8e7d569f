// What the npm package exports: one tracker for one page.

export { flush } from './flush.js'
export { group } from './group.js'
export { identify } from './identify.js'
export { init } from './init.js'
export { page } from './page.js'
export { reset } from './reset.js'
export { track } from './track.js'
export type { Options, Properties } from './options.js'
