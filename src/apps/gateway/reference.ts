/** The configuration without a configuration file: the bundled reference server, so that a first start has something to show. */

import { fileURLToPath } from 'node:url'

/** As the text of a configuration file. It runs under the Node.js that runs Portolan, from source or from `dist/` alike. */
export function referenceConfigText(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const main = fileURLToPath(new URL(`../reference-server/main.${extension}`, import.meta.url))
  return JSON.stringify({ mcpServers: { reference: { command: literal(process.execPath), args: [literal(main)] } } })
}

/** A path may hold what looks like a reference. */
function literal(path: string): string {
  return path.replaceAll('${', '$${')
}
