// What the npm package exports: one tracker for one page.

export { flush } from './flush'
export { group } from './group'
export { identify } from './identify'
export { init } from './init'
export { page } from './page'
export { reset } from './reset'
export { track } from './track'
export type { Options, Properties } from './options'
