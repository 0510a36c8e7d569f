// Hears of it when the module traps: out of memory, out of stack, an instruction that may not be reached. A panic tells
// of itself, a trap does not, and after either the module's memory is worth nothing.

let hear = () => {}

/** Names who hears of a trap. */
export function onTrap(listener) {
  hear = listener
}

/** What runs code of ours: the handlers, and what the runtime calls when something that they wait for has come. */
const ENTRIES = /^(fetch|scheduled|watchers_|wasm_bindgen__)/

/** The exports of a module. Whatever an entry throws has come through frames that nobody has cleaned up. */
export function guarded(exports) {
  const guard =
    (entry) =>
    (...given) => {
      try {
        return entry(...given)
      } catch (error) {
        hear(error)
        throw error
      }
    }
  const one = ([name, value]) => [name, ENTRIES.test(name) ? guard(value) : value]
  return Object.fromEntries(Object.entries(exports).map(one))
}
