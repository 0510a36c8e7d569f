// The Worker with bindings that answer at once: what is left is its own work and that of workerd.
import worker, { Watchers } from '../dist/index.js'

export { Watchers }

class Ratelimit {
  limit = async () => ({ success: true })
}

const RATE = new Ratelimit()
const HEADWATER = {
  get: async (name, { type } = {}) => (name !== 'projects.json' ? null : type === 'text' ? projects : null),
  getWithMetadata: async () => ({ value: null, metadata: null }),
  put: async () => {},
  list: async () => ({ keys: [] }),
  delete: async () => {},
}
let projects, bindings

export default {
  fetch(request, env, context) {
    projects ??= env.PROJECTS
    bindings ??= { ...env, HEADWATER, RATE_SMALL: RATE, RATE_MEDIUM: RATE, RATE_LARGE: RATE }
    return worker.fetch(request, bindings, context)
  },
}
