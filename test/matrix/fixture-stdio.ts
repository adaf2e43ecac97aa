/** The fixture as a process on stdio. Its arguments: the folder for its notes, and the revision that it speaks, if not the client's. */
import { createInterface } from 'node:readline'
import { serveFixturePipe } from './fixture-pipe.ts'

const [notesPath = '.', revision = ''] = process.argv.slice(2)
const take = serveFixturePipe({ notesPath, revision, write: (text) => void process.stdout.write(`${text}\n`) })
createInterface({ input: process.stdin }).on('line', take).on('close', () => process.exit(0))
