/** Memory in use. What is resident says when the machine found time to free it; what a collection leaves says what is held. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** The heap of this thread after a collection. */
export function liveHeapBytes(): number {
  collect()
  return process.memoryUsage().heapUsed
}

/** The heap and its buffers after a collection. */
export function liveBytes(): number {
  collect()
  // What buffers held is given back by the end of the next one.
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
