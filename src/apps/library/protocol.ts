/** `portolan/protocol`: the errors that a stage or a port answers with, and what revisions there are. */

export { ERRORS, PortolanError, isRetryable } from '../../protocol/error.ts'
export type { ErrorCode, PortolanErrorOptions, WireRow } from '../../protocol/error.ts'
export type { JsonObject, JsonValue } from '../../protocol/json-value.ts'
export { LATEST_LEGACY, LATEST_MODERN, REVISIONS, SUPPORTED_LEGACY, SUPPORTED_MODERN, eraOf, isRevision } from '../../protocol/revision.ts'
export type { Era, LegacyRevision, ModernRevision, Revision, RevisionTraits } from '../../protocol/revision.ts'
