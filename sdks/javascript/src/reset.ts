import { become } from './become.js'
import { command } from './command.js'
import { newPerson } from './newPerson.js'

/** The user has logged out: whoever comes next is somebody else. */
export const reset = command(() => become(newPerson()))
