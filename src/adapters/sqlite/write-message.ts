/** What the main thread and the writing thread say to each other. */

import type { SqlRow, Statement } from '../sql/sql-database.ts'

export type FileName = 'durable' | 'cache'

/** What the thread is started with. */
export interface WriterFiles {
  readonly durable: string
  readonly cache: string
}

export interface WriteRequest {
  readonly id: number
  readonly file: FileName
  /** The store's clock. */
  readonly nowMs: number
  /** All or none. */
  readonly statements: readonly Statement[]
}

export type WriteAnswer =
  | { readonly id: number; readonly rows: readonly (readonly SqlRow[])[] }
  | { readonly id: number; readonly failure: string }

/** `close`: finish, then end. */
export type WriterMessage = WriteRequest | 'close'
