/**
 * How the revisions of the protocol differ, in one table. Ask it; nobody else compares date strings.
 * A trait is here because a gateway must act on it; what only changes prose or is passed on unread is not.
 */

/** `legacy`: an `initialize` handshake; `modern`: everything in each request's `_meta` (S26 basic/versioning). */
export type Era = 'legacy' | 'modern'

/** `type` of a content item. Sampling has more: see `samplingTools`. */
export type ContentKind = 'text' | 'image' | 'resource' | 'audio' | 'resource_link'

/** What differs between revisions. */
export interface RevisionTraits {
  readonly era: Era
  /** `sse`: HTTP with a separate SSE endpoint; `streamable`: one MCP endpoint. */
  readonly httpTransport: 'sse' | 'streamable'
  /** Requests over HTTP carry `MCP-Protocol-Version`. */
  readonly versionHeader: boolean
  /** JSON-RPC arrays. */
  readonly batches: boolean
  /** SSE event ids and `Last-Event-ID`. */
  readonly resumable: boolean
  /** A stream may begin with an id and empty data, and the server may hang up with `retry`. */
  readonly primingEvents: boolean
  /** What `content` of results and prompt messages may hold. */
  readonly contentKinds: readonly ContentKind[]
  /** Content in sampling messages may be an array and hold `tool_use` and `tool_result`. */
  readonly samplingTools: boolean
  /** `sampling.context` is a capability; before, `includeContext` needed none. */
  readonly samplingContext: boolean
  readonly elicitation: 'none' | 'form' | 'form+url'
  /** `roots.listChanged` and its notification. */
  readonly rootsListChanged: boolean
  /** `core`: `params.task`, `tasks/result`, `tasks/list`; `extension`: `io.modelcontextprotocol/tasks`. */
  readonly tasks: 'none' | 'core' | 'extension'
  /** `object`: only JSON objects, and output schemas of type object; `any`: every JSON value and schema. */
  readonly structuredContent: 'none' | 'object' | 'any'
  /** Tools, prompts, resources and implementations have a `title`. */
  readonly titles: boolean
  readonly toolAnnotations: boolean
  readonly icons: boolean
  /** `completions` is a capability; in 2024-11-05 the method exists without one. */
  readonly completionsCapability: boolean
  /** `context` of `completion/complete`. */
  readonly completionContext: boolean
  /** `message` of `notifications/progress`. */
  readonly progressMessage: boolean
  /** Every result has `resultType`. */
  readonly resultType: boolean
  /** `ttlMs` and `cacheScope` are required on cacheable results. */
  readonly cacheHints: boolean
  /** `extensions` is a defined capability. Where it is not, it is an unknown key and is passed on. */
  readonly extensions: boolean
  /** `Mcp-Method`, `Mcp-Name` and `Mcp-Param-*` mirror the body. */
  readonly mirroredHeaders: boolean
}

const CONTENT_2024 = ['text', 'image', 'resource'] as const
const CONTENT_AUDIO = ['text', 'image', 'resource', 'audio'] as const
const CONTENT_ALL = ['text', 'image', 'resource', 'audio', 'resource_link'] as const

const R_2024_11_05 = {
  era: 'legacy',
  httpTransport: 'sse',
  versionHeader: false,
  batches: false,
  resumable: false,
  primingEvents: false,
  contentKinds: CONTENT_2024,
  samplingTools: false,
  samplingContext: false,
  elicitation: 'none',
  rootsListChanged: true,
  tasks: 'none',
  structuredContent: 'none',
  titles: false,
  toolAnnotations: false,
  icons: false,
  completionsCapability: false,
  completionContext: false,
  progressMessage: false,
  resultType: false,
  cacheHints: false,
  extensions: false,
  mirroredHeaders: false,
} as const satisfies RevisionTraits

const R_2025_03_26 = {
  ...R_2024_11_05,
  httpTransport: 'streamable',
  batches: true,
  resumable: true,
  contentKinds: CONTENT_AUDIO,
  toolAnnotations: true,
  completionsCapability: true,
  progressMessage: true,
} as const satisfies RevisionTraits

const R_2025_06_18 = {
  ...R_2025_03_26,
  versionHeader: true,
  batches: false,
  contentKinds: CONTENT_ALL,
  elicitation: 'form',
  structuredContent: 'object',
  titles: true,
  completionContext: true,
} as const satisfies RevisionTraits

const R_2025_11_25 = {
  ...R_2025_06_18,
  primingEvents: true,
  samplingTools: true,
  samplingContext: true,
  elicitation: 'form+url',
  tasks: 'core',
  icons: true,
} as const satisfies RevisionTraits

const R_2026_07_28 = {
  ...R_2025_11_25,
  era: 'modern',
  resumable: false,
  primingEvents: false,
  rootsListChanged: false,
  tasks: 'extension',
  structuredContent: 'any',
  resultType: true,
  cacheHints: true,
  extensions: true,
  mirroredHeaders: true,
} as const satisfies RevisionTraits

/** Every revision that Portolan speaks, oldest first. */
export const REVISIONS = {
  '2024-11-05': R_2024_11_05,
  '2025-03-26': R_2025_03_26,
  '2025-06-18': R_2025_06_18,
  '2025-11-25': R_2025_11_25,
  '2026-07-28': R_2026_07_28,
} as const satisfies Record<string, RevisionTraits>

/** A revision that Portolan speaks; narrow a text with `isRevision`. */
export type Revision = keyof typeof REVISIONS
/** Those with a handshake. */
export type LegacyRevision = { [R in Revision]: (typeof REVISIONS)[R]['era'] extends 'legacy' ? R : never }[Revision]
/** Those without. */
export type ModernRevision = Exclude<Revision, LegacyRevision>

/** Oldest first. */
export const SUPPORTED_LEGACY: readonly LegacyRevision[] = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25']
/** Newest first: the order of `supportedVersions` and of −32022's `supported`. */
export const SUPPORTED_MODERN: readonly ModernRevision[] = ['2026-07-28']
/** What we ask an upstream for in `initialize`. */
export const LATEST_LEGACY: LegacyRevision = '2025-11-25'
/** What we ask an upstream for in `_meta`. */
export const LATEST_MODERN: ModernRevision = '2026-07-28'

/**
 * 2024-10-07 has no published specification, but the official TypeScript SDK still accepts and answers it. It is
 * handled with the traits of the first published revision.
 */
const UNPUBLISHED = '2024-10-07'

/** Whether Portolan speaks the revision. */
export function isRevision(text: string): text is Revision {
  return Object.hasOwn(REVISIONS, text)
}

/** Whether it is one that a session can have. */
export function isLegacyRevision(text: string): text is LegacyRevision {
  return isRevision(text) && REVISIONS[text].era === 'legacy'
}

/** Whether it is one that `_meta` can name. */
export function isModernRevision(text: string): text is ModernRevision {
  return isRevision(text) && REVISIONS[text].era === 'modern'
}

/** The era that a revision belongs to. */
export function eraOf(revision: Revision): Era {
  return REVISIONS[revision].era
}

/** A revision's row, typed as any row: for code that holds for all. */
export function traitsOf(revision: Revision): RevisionTraits {
  return REVISIONS[revision]
}

/** What to answer a client's `initialize`: what it asked for where that is a legacy revision, else our latest legacy. */
export function negotiateLegacy(requested: string): LegacyRevision {
  return acceptLegacy(requested) ?? LATEST_LEGACY
}

/** The revision that an upstream's answer to `initialize` stands for; undefined: it speaks none that we do. */
export function acceptLegacy(answered: string): LegacyRevision | undefined {
  if (answered === UNPUBLISHED) return SUPPORTED_LEGACY[0]
  return isLegacyRevision(answered) ? answered : undefined
}

/** The first modern revision on a server's list (`supportedVersions`, or `supported` of −32022) that we speak. */
export function pickModern(offered: readonly string[]): ModernRevision | undefined {
  return SUPPORTED_MODERN.find((revision) => offered.includes(revision))
}
