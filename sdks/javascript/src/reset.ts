import { become } from './become'
import { command } from './command'
import { newPerson } from './newPerson'

/** The user has logged out: whoever comes next is somebody else. */
export const reset = command(() => become(newPerson()))
