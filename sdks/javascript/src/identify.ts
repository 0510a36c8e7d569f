import { become } from './become.js'
import { capture } from './capture.js'
import { command } from './command.js'
import type { Properties } from './options.js'
import { state } from './state.js'

/** The visitor is this user, from now on until `reset`. */
export const identify = command((userId: string, traits?: Properties) => {
  become({ ...state.person, user_id: userId })
  capture({ type: 'identify', traits })
})
