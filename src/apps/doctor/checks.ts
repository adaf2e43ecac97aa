/** The table of checks, in the order in which they are told. docs/reference/doctor.md is compared with it. */

import type { Check } from './check.ts'
import { clockCheck } from './check-clock.ts'
import { commandCheck } from './check-command.ts'
import { configurationCheck } from './check-configuration.ts'
import { dataCheck } from './check-data.ts'
import { diskCheck } from './check-disk.ts'
import { eraCheck } from './check-era.ts'
import { memoryCheck } from './check-memory.ts'
import { namesCheck } from './check-names.ts'
import { nodeCheck } from './check-node.ts'
import { openFilesCheck } from './check-open-files.ts'
import { outputCheck } from './check-output.ts'
import { portCheck } from './check-port.ts'
import { proxyCheck } from './check-proxy.ts'
import { referencesCheck } from './check-references.ts'
import { runningCheck } from './check-running.ts'
import { secretsCheck } from './check-secrets.ts'
import { startCheck } from './check-start.ts'
import { stateCheck } from './check-state.ts'
import { toolsCheck } from './check-tools.ts'
import { upstreamCheck } from './check-upstream.ts'
import { urlCheck } from './check-url.ts'
import { watchesCheck } from './check-watches.ts'

export const CHECKS: readonly Check[] = [
  configurationCheck,
  referencesCheck,
  secretsCheck,
  runningCheck,
  portCheck,
  dataCheck,
  stateCheck,
  diskCheck,
  commandCheck,
  startCheck,
  outputCheck,
  upstreamCheck,
  urlCheck,
  eraCheck,
  namesCheck,
  toolsCheck,
  clockCheck,
  proxyCheck,
  nodeCheck,
  openFilesCheck,
  watchesCheck,
  memoryCheck,
]
