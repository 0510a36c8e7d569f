import { become } from './become'
import { capture } from './capture'
import { command } from './command'
import type { Properties } from './options'
import { state } from './state'

/** The visitor is this user, from now on until `reset`. */
export const identify = command((userId: string, traits?: Properties) => {
  become({ ...state.person, user_id: userId })
  capture({ type: 'identify', traits })
})
