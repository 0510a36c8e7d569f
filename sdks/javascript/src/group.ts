import { become } from './become'
import { capture } from './capture'
import { command } from './command'
import type { Properties } from './options'
import { state } from './state'

/** The user acts for this organization or account, from now on until `reset`. */
export const group = command((groupId: string, traits?: Properties) => {
  become({ ...state.person, group_id: groupId })
  capture({ type: 'group', traits })
})
