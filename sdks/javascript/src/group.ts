import { become } from './become.js'
import { capture } from './capture.js'
import { command } from './command.js'
import type { Properties } from './options.js'
import { state } from './state.js'

/** The user acts for this organization or account, from now on until `reset`. */
export const group = command((groupId: string, traits?: Properties) => {
  become({ ...state.person, group_id: groupId })
  capture({ type: 'group', traits })
})
