/** Loaded into the measured process: on SIGUSR2 it writes the longest pause of its event loop since the last time to a file, and begins anew. */
import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

const path = process.env.PAUSE_FILE
if (path !== undefined) {
  const resolution = 1
  const delay = monitorEventLoopDelay({ resolution })
  delay.enable()
  process.on('SIGUSR2', () => {
    writeFileSync(`${path}.new`, String(Math.max(0, delay.max / 1e6 - resolution)))
    delay.reset()
  })
}
