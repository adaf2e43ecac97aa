/** Content blocks that a client's revision lacks, as text that names what stood there (bridge-rulings §5). */
import { asciiJson, member, readString } from './json.ts'
import type { JsonNode, WireText } from './json.ts'
import { LATEST_LEGACY, REVISIONS, traitsOf } from './revision.ts'
import type { ContentKind, Revision } from './revision.ts'
import type { Change } from './splice.ts'

const ALL_KINDS: readonly ContentKind[] = traitsOf(LATEST_LEGACY).contentKinds

const LACKED: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries(REVISIONS).flatMap(([revision, { contentKinds }]) => {
    const known: readonly ContentKind[] = contentKinds
    const lacked = ALL_KINDS.filter((kind) => !known.includes(kind))
    return lacked.length === 0 ? [] : [[revision, new Set<string>(lacked)] as const]
  }),
)

/** The kinds of content that the revision does not have; undefined where it has them all. */
export function lackedContent(revision: Revision): ReadonlySet<string> | undefined {
  return LACKED.get(revision)
}

/**
 * Makes a text block of an opened block whose kind is lacked; undefined where it can stay. Annotations and what nobody
 * knows stay as they are. `uri` is what the client calls the resource of a link.
 */
export function blockAsText(text: WireText, block: JsonNode, lacked: ReadonlySet<string>, uri: (own: string) => string): Change | undefined {
  const kind = readString(text, member(block, 'type'))
  if (kind === undefined || !lacked.has(kind)) return undefined
  const read = (key: string): string | undefined => readString(text, member(block, key))
  const words = kind === 'audio' ? nameAudio(read) : nameLink(read, uri)
  return {
    node: block,
    set: { type: '"text"', text: asciiJson(words) },
    remove: kind === 'audio' ? ['data', 'mimeType'] : ['uri', 'name', 'title', 'description', 'mimeType', 'size', 'icons'],
  }
}

type ReadMember = (key: string) => string | undefined

function nameAudio(read: ReadMember): string {
  return `[Audio, ${read('mimeType') ?? 'of unknown type'}: not available in this protocol revision]`
}

function nameLink(read: ReadMember, uri: (own: string) => string): string {
  const target = read('uri')
  const name = read('title') ?? read('name') ?? 'unnamed'
  const mimeType = read('mimeType')
  const description = read('description')
  const where = target === undefined ? '' : ` <${uri(target)}>`
  return `[Resource: ${name}${where}${mimeType === undefined ? '' : `, ${mimeType}`}]${description === undefined ? '' : ` ${description}`}`
}
