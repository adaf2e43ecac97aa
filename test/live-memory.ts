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

const LOOK_MS = 20

/** What `work` gives, and the most that was held meanwhile above what was held before. */
export async function withMostHeld<T>(work: () => Promise<T>): Promise<readonly [T, number]> {
  const before = liveBytes()
  let most = 0
  const timer = setInterval(() => (most = Math.max(most, liveBytes() - before)), LOOK_MS)
  try {
    const given = await work()
    return [given, most]
  } finally {
    clearInterval(timer)
  }
}
